package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// hasty is a clock by which everything takes long.
type hasty struct {
	clock.System
	mu  sync.Mutex
	now time.Time
}

func (h *hasty) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(time.Second)
	return h.now
}

// crowded is a store in which a webhook waits to be acknowledged during each update.
type crowded struct {
	store.Store
	updates int
	waiting sync.WaitGroup
}

func (c *crowded) Update(ctx context.Context, fn func(*store.Tx) error) error {
	c.updates++
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		c.waiting.Go(func() { _ = c.Append(ctx, store.Webhook{ReceivedAt: start, Body: []byte(`{}`)}) })
		for !tx.Overdue(0) {
			runtime.Gosched()
		}
		return fn(tx)
	})
}

func TestProcessingMakesWayForWebhooksThatWaitToBeAcknowledged(t *testing.T) {
	opened, err := store.OpenSQLite(t.Context(), store.SQLiteOptions{Dir: t.TempDir(), Clock: &hasty{now: start}})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	const waiting = 4
	wamid := func(i int) string { return fmt.Sprintf("wamid.%d", i) }
	for i := range waiting {
		body := messages(text(wamid(i), `"from":"4915100"`))
		if err := opened.Append(t.Context(), store.Webhook{ReceivedAt: start, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	c := &crowded{Store: opened}
	p := engine.NewProcessor(engine.Processor{
		Store: c, Clock: clocktest.New(start), Log: slog.New(slog.DiscardHandler), Processed: func() {},
		Channel: func() config.Channel { return config.Channel{PhoneNumber: &config.PhoneNumber{ID: "1"}} },
	})
	if _, err := p.Process(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.waiting.Wait()
	if c.updates != waiting {
		t.Errorf("%d webhooks were processed in %d transactions, while others waited", waiting, c.updates)
	}
	if err := opened.View(t.Context(), func(tx *store.Tx) error {
		for i := range waiting {
			if _, found, err := tx.Message(wamid(i)); err != nil || !found {
				t.Errorf("message %d: found %v, %v", i, found, err)
			}
		}
		inbox, err := tx.NextInbox(100, 1<<30)
		if len(inbox) != waiting {
			t.Errorf("%d webhooks wait, want the %d that came meanwhile", len(inbox), waiting)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
