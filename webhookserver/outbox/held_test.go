package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func TestWhileHeldNoCallIsMadeAndLateTextsNever(t *testing.T) {
	b := newBench(t)
	var held atomic.Bool
	held.Store(true)
	var asked atomic.Int64
	b.outbox = outbox.New(outbox.Options{
		Store: b.store, Clock: b.clock, Log: slog.New(slog.DiscardHandler),
		Held: func() bool {
			asked.Add(1)
			return held.Load()
		},
		Callers: map[conversation.Destination]outbox.Caller{conversation.Graph: &b.graph, conversation.Helpdesk: &b.helpdesk},
	})
	b.reply("r1")
	b.welcome()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.outbox.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	b.eventually("the outbox looks for work", func() bool { return asked.Load() > 0 })
	b.clock.Advance(time.Hour)
	before := asked.Load()
	b.outbox.Wake()
	b.eventually("it looks again", func() bool { return asked.Load() > before })
	if calls := append(b.graph.made(), b.helpdesk.made()...); len(calls) != 0 {
		t.Errorf("calls while held: %v", calls)
	}
	b.clock.Advance(conversation.Window)
	held.Store(false)
	b.outbox.ConfigurationChanged()
	b.becomes("r1/send/1", store.EffectGivenUp)
	b.becomes("welcome/send/1", store.EffectGivenUp)
	if b.graph.made() != nil {
		t.Errorf("calls after the window: %v", b.graph.made())
	}
}

func TestAReminderThatIsOutdatedIsNotSent(t *testing.T) {
	b := newBench(t)
	b.clock.Advance(20 * time.Hour)
	settings := conversation.Settings{Reminder: "Please reply.", ReminderAfter: 20 * time.Hour}
	key := fmt.Sprintf("c/1/reminder/%d", start.Unix())
	b.update(func(tx *store.Tx) error {
		if err := engine.Apply(tx, "c", conversation.Woken{Settings: settings}, b.clock.Now()); err != nil {
			return err
		}
		return engine.Apply(tx, "c", conversation.TicketClosed{Epoch: 1}, b.clock.Now())
	})
	b.run()
	b.becomes(key+"/send/1", store.EffectGivenUp)
	if reason := b.shown(key, conversation.NotSent); !strings.Contains(reason, "was closed") {
		t.Errorf("the ticket says %q", reason)
	}
	if b.graph.made() != nil {
		t.Errorf("calls: %v", b.graph.made())
	}
}
