//go:build bench

package receiver

import (
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/test/bench/figures"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/load"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/process"
)

const (
	// openRate is the webhooks a second, of which one in openMessages is a message.
	openRate     = 4000
	openMessages = 4
	// openConnections is how many connections share them.
	openConnections = 256
	// restTime is how long a receiver is left alone before its memory at rest is measured.
	restTime = 10 * time.Second
)

// TestOpenLoop sends webhooks at given times, as Meta does, and looks each up that was acknowledged.
func TestOpenLoop(t *testing.T) {
	c := startChannel(t, embedded)
	time.Sleep(restTime) //nolint:forbidigo // Rest is what is measured.
	figures.Print("receiver.rss.idle", c.Memory(), "MiB")

	before := c.CPU()
	result, err := load.Open{
		Connections: openConnections, Rate: openRate, Duration: *openLoopTime, Messages: openMessages,
	}.Run(t.Context(), c.target)
	if err != nil {
		t.Fatalf("%v\n%s", err, &c.Output)
	}
	t.Logf("%.2f processors", (c.CPU()-before).Seconds()/openLoopTime.Seconds())
	figures.Print("receiver.openloop.p50", milliseconds(figures.Quantile(result.Delays, 0.5)), "ms")
	figures.Print("receiver.openloop.p99", milliseconds(figures.Quantile(result.Delays, 0.99)), "ms")
	t.Logf("p90 %v, p99.9 %v, at most %v", figures.Quantile(result.Delays, 0.9), figures.Quantile(result.Delays, 0.999), figures.Quantile(result.Delays, 1))
	if len(result.Others) > 0 {
		t.Errorf("answers that are not 200: %v", result.Others)
	}

	at := c.status()
	t.Logf("when the last webhook was answered, %d waited to be processed, and %d effects", at.Backlog, at.PendingEffects)
	began := time.Now()
	c.Await("everything is processed", *openLoopTime+process.StartTimeout, func() bool { return c.status().Backlog == 0 })
	t.Logf("everything was processed %v later", time.Since(began).Round(100*time.Millisecond))
	figures.Print("receiver.rss.load", c.Peak(), "MiB")
	c.Stop()
	t.Log(c.store.sizes(t))
	figures.Print("receiver.openloop.lost", float64(c.store.lost(t, result.Acknowledged)), "webhooks")
	c.complain()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
