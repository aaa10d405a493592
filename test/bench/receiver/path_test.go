//go:build bench

package receiver

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/test/bench/figures"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/load"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/process"
)

const (
	// pathMessages is how many messages are followed to their tickets, and pathPause the time between them.
	pathMessages = 300
	pathPause    = 50 * time.Millisecond
)

// TestPath measures how long a message takes from the webhook's first byte to the helpdesk's request for a ticket. Each
// message is of a new customer. The helpdesk is the built-in inbox, which notes when it was asked, in milliseconds.
func TestPath(t *testing.T) {
	c := startChannel(t, embedded)
	sender, err := load.Dial(t.Context(), c.target)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	sent := make([]time.Time, pathMessages)
	pause := time.NewTicker(pathPause)
	defer pause.Stop()
	for id := range int64(pathMessages) {
		<-pause.C
		sent[id] = time.Now()
		if status, err := sender.Send(load.Message, id, id); err != nil || status != 200 {
			t.Fatalf("status %d, %v\n%s", status, err, &c.Output)
		}
	}
	c.Await("every message has a ticket", process.StartTimeout, func() bool { s := c.status(); return s.Backlog+s.PendingEffects == 0 })
	c.Stop()
	var delays []time.Duration
	c.store(t, `SELECT m.wamid || ' ' || t.created_at FROM message m JOIN ticket t ON t.conversation = m.conversation`, func(row []byte) {
		id, _ := load.IDIn(row)
		_, at, _ := strings.Cut(string(row), " ")
		created, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		delays = append(delays, time.UnixMilli(created).Sub(sent[id].Truncate(time.Millisecond)))
	})
	if len(delays) != pathMessages {
		t.Fatalf("%d messages have tickets", len(delays))
	}
	slices.Sort(delays)
	figures.Print("path.message_to_ticket.p50", milliseconds(figures.Quantile(delays, 0.5)), "ms")
	figures.Print("path.message_to_ticket.p99", milliseconds(figures.Quantile(delays, 0.99)), "ms")
	c.complain()
}
