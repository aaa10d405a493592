package outbox_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// settling is a destination that may carry a call out half a minute after nobody waits for it any more.
type settling struct{ *caller }

func (settling) Settles(store.Effect) time.Duration { return 30 * time.Second }

func TestWhatAHelpdeskMayStillCarryOutIsNotRepeated(t *testing.T) {
	// cutOff queues a call that a process made that is not there any more.
	cutOff := func(b *bench) {
		b.update(func(tx *store.Tx) error {
			now := b.clock.Now()
			if err := tx.AddEffects("c", []conversation.Effect{{Key: "ticket", Kind: conversation.KindOpenTicket}}, now); err != nil {
				return err
			}
			e, _, err := tx.EffectByKey("ticket")
			if err != nil {
				return err
			}
			_, err = tx.BeginCall(e, now, now)
			return err
		})
	}
	for name, tc := range map[string]struct {
		begin func(b *bench)
		// calls are those that this process made of its own accord, and waits is for how long none follows.
		calls int
		waits time.Duration
	}{
		"a call of this process": {func(b *bench) {
			b.helpdesk.answer = func(n int, _ store.Effect) error {
				if n == 1 {
					return fail(outbox.InDoubt)
				}
				return nil
			}
			b.update(func(tx *store.Tx) error {
				return tx.AddEffects("c", []conversation.Effect{{Key: "ticket", Kind: conversation.KindOpenTicket}}, b.clock.Now())
			})
			b.run()
			b.becomes("ticket", store.EffectInDoubt)
			b.clock.AwaitTimers(1)
			b.clock.Advance(time.Second)
		}, 1, 29 * time.Second},
		// A call has twenty seconds.
		"a call of one that was here before": {func(b *bench) {
			cutOff(b)
			b.run()
		}, 0, 50 * time.Second},
		"a call of another": {func(b *bench) {
			b.run()
			b.clock.Advance(time.Hour)
			cutOff(b)
			b.outbox.Wake()
		}, 0, 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.instead = settling{&b.helpdesk}
			tc.begin(b)
			held := b.clock.Now().Add(tc.waits)
			b.eventually("a look", func() bool {
				e := b.effect("ticket")
				return b.helpdesk.looked() == 1 && (e.State != store.EffectInDoubt || e.NextAt.Equal(held))
			})
			stillWaits := func() {
				if made := b.helpdesk.made(); len(made) != tc.calls || b.effect("ticket").State != store.EffectInDoubt {
					t.Fatalf("it was repeated while the first call may be carried out: %v", made)
				}
			}
			stillWaits()
			b.clock.AwaitTimers(1)
			b.clock.Advance(tc.waits - time.Second)
			b.outbox.Wake()
			b.clock.AwaitTimers(1)
			stillWaits()
			b.clock.Advance(2 * time.Second)
			b.becomes("ticket", store.EffectDone)
			if made := b.helpdesk.made(); len(made) != tc.calls+1 {
				t.Errorf("calls: %v", made)
			}
		})
	}
}

// away is a database that is away for a while.
type away struct {
	store.Store
	gone atomic.Bool
}

func (a *away) Update(ctx context.Context, fn func(*store.Tx) error) error {
	if a.gone.Load() {
		return fmt.Errorf("%w: a fail-over", store.ErrUnavailable)
	}
	return a.Store.Update(ctx, fn)
}

func (a *away) View(ctx context.Context, fn func(*store.Tx) error) error {
	if a.gone.Load() {
		return fmt.Errorf("%w: a fail-over", store.ErrUnavailable)
	}
	return a.Store.View(ctx, fn)
}

// passes lets time pass by a second at a time, for as many as wait for it.
func (b *bench) passes(d time.Duration, waiting int) {
	b.t.Helper()
	for range d / time.Second {
		b.clock.AwaitTimers(waiting)
		b.clock.Advance(time.Second)
	}
}

// While a database is away, no webhook is taken, and so no status can tell what became of a reply.
func TestADatabaseThatIsAwayMakesNoReplyCountAsUnheard(t *testing.T) {
	t.Run("one that WhatsApp took as it went away", func(t *testing.T) {
		b := newBench(t)
		s := &away{Store: b.store}
		b.graph.answer = func(int, store.Effect) error { s.gone.Store(true); return nil }
		b.reply("r")
		b.runOn(s)
		b.eventually("the call", func() bool { return len(b.graph.made()) == 1 })
		// Both wait: what was answered to be noted, and what else there is to do.
		b.passes(5*time.Minute, 2)
		b.clock.AwaitTimers(2)
		s.gone.Store(false)
		b.clock.Advance(time.Second)
		b.becomes("r/send/1", store.EffectDone)
		if made := b.graph.made(); len(made) != 1 {
			t.Errorf("the customer got the reply %d times", len(made))
		}
	})
	t.Run("one in doubt before", func(t *testing.T) {
		b := newBench(t)
		s := &away{Store: b.store}
		b.graph.answer = func(n int, _ store.Effect) error {
			if n == 1 {
				return fail(outbox.InDoubt)
			}
			return nil
		}
		b.reply("r")
		b.runOn(s)
		b.becomes("r/send/1", store.EffectInDoubt)
		s.gone.Store(true)
		b.outbox.Wake()
		b.passes(5*time.Minute, 1)
		s.gone.Store(false)
		b.clock.Advance(time.Second)
		b.eventually("it waits, or is repeated", func() bool {
			e := b.effect("r/send/1")
			return e.State != store.EffectInDoubt || e.NextAt.After(b.clock.Now().Add(100*time.Second))
		})
		if e := b.effect("r/send/1"); e.State != store.EffectInDoubt {
			t.Fatalf("it was looked at before a status could come: %+v", e)
		}
		b.clock.AwaitTimers(1)
		b.clock.Advance(100 * time.Second)
		b.clock.Advance(20 * time.Second)
		b.becomes("r/send/1", store.EffectDone)
	})
}

// timed is a destination that tells how much time a call has.
type timed struct {
	caller
	has chan time.Duration
}

func (d *timed) Call(ctx context.Context, _ store.Effect, _ conversation.State) (string, error) {
	until, _ := ctx.Deadline()
	d.has <- time.Until(until)
	return "", nil
}

func TestAnArticleWithFilesHasTheTimeOfATransfer(t *testing.T) {
	b := newBench(t)
	d := &timed{has: make(chan time.Duration, 2)}
	b.instead = d
	b.update(func(tx *store.Tx) error {
		return tx.AddEffects("c", []conversation.Effect{
			{Key: "a", Kind: conversation.KindAddArticle, Epoch: 1, AddArticle: &conversation.Article{ID: "a"}},
			{Key: "b", Kind: conversation.KindAddArticle, Epoch: 1, AddArticle: &conversation.Article{
				ID: "b", Attachments: []conversation.Attachment{{File: conversation.File{ID: "f", Size: 36 << 20}, State: conversation.AttachmentKept}},
			}},
		}, start)
	})
	b.run()
	if without, with := <-d.has, <-d.has; with < 10*without {
		t.Errorf("48 MiB have %s, and a text has %s", with, without)
	}
}
