package outbox_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// slow is a destination that answers when the test lets it.
type slow struct {
	caller
	arrived, answer chan struct{}
}

func (s *slow) Call(ctx context.Context, e store.Effect, state conversation.State) (string, error) {
	s.arrived <- struct{}{}
	<-s.answer
	return s.caller.Call(ctx, e, state)
}

// stillMakesTheCall has something else done after the clock was set, so that the outbox has looked at it, and checks that the call
// of this attempt is still being made.
func (b *bench) stillMakesTheCall(helpdesk *slow, attempt int) {
	b.t.Helper()
	b.customer("other")
	b.opensTicket("other", "other")
	b.outbox.Wake()
	<-helpdesk.arrived
	if e := b.effect("ticket"); e.State != store.EffectInFlight || e.Attempts != attempt {
		b.t.Errorf("the call that is being made: %+v", e)
	}
}

func TestACallThatIsBeingMadeIsNotMadeAgainWhenTheClockIsSetForward(t *testing.T) {
	b := newBench(t)
	helpdesk := &slow{arrived: make(chan struct{}, 2), answer: make(chan struct{})}
	b.instead = helpdesk
	b.opensTicket("c", "ticket")
	b.run()
	<-helpdesk.arrived
	b.clock.Set(24 * time.Hour)
	b.stillMakesTheCall(helpdesk, 1)
	close(helpdesk.answer)
	b.becomes("ticket", store.EffectDone)
	b.becomes("other", store.EffectDone)
	if made := helpdesk.made(); len(made) != 2 {
		t.Errorf("calls: %v", made)
	}
}

// lingering is a store in which whoever noted the end of a call lingers.
type lingering struct {
	store.Store
	noted, goOn chan struct{}
	// looks counts how often it was looked what there is to do.
	looks atomic.Int64
}

func (l *lingering) View(ctx context.Context, fn func(*store.Tx) error) error {
	l.looks.Add(1)
	return l.Store.View(ctx, fn)
}

func (l *lingering) Update(ctx context.Context, fn func(*store.Tx) error) error {
	ends := false
	err := l.Store.Update(ctx, func(tx *store.Tx) error {
		before, _, err := tx.EffectByKey("ticket")
		if err == nil {
			err = fn(tx)
		}
		after, _, afterErr := tx.EffectByKey("ticket")
		ends = before.State == store.EffectInFlight && after.State == store.EffectReady
		return errors.Join(err, afterErr)
	})
	if ends {
		l.noted <- struct{}{}
		<-l.goOn
	}
	return err
}

// A call can be made again as soon as its end is noted, and then is being made, though the one before is only ending.
func TestACallThatIsMadeAgainWhileTheOneBeforeEndsIsStillBeingMade(t *testing.T) {
	b := newBench(t)
	helpdesk := &slow{arrived: make(chan struct{}, 3), answer: make(chan struct{})}
	helpdesk.caller.answer = func(n int, _ store.Effect) error {
		if n == 1 {
			return fail(outbox.TryAgain)
		}
		return nil
	}
	b.instead = helpdesk
	b.opensTicket("c", "ticket")
	l := &lingering{Store: b.store, noted: make(chan struct{}, 1), goOn: make(chan struct{})}
	b.runOn(l)
	<-helpdesk.arrived
	helpdesk.answer <- struct{}{}
	<-l.noted
	b.clock.Advance(time.Second)
	b.outbox.Wake()
	<-helpdesk.arrived
	b.clock.AwaitTimers(1)
	before := l.looks.Load()
	close(l.goOn)
	b.eventually("the one before has ended", func() bool { return l.looks.Load() > before })
	b.clock.Set(24 * time.Hour)
	b.stillMakesTheCall(helpdesk, 2)
	close(helpdesk.answer)
	b.becomes("ticket", store.EffectDone)
}

func TestAReplyInDoubtIsLeftAloneAsLongWhenTheClockIsSet(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.graph.answer = func(n int, _ store.Effect) error {
				if n == 1 {
					return fail(outbox.InDoubt)
				}
				return nil
			}
			b.reply("r")
			b.run()
			b.becomes("r/send/1", store.EffectInDoubt)
			b.clock.AwaitTimers(1)
			claim := b.effect("r/send/1").Claim
			b.clock.Set(by)
			b.clock.Advance(119 * time.Second)
			b.outbox.Wake()
			b.clock.AwaitTimers(1)
			if e := b.effect("r/send/1"); e.Claim != claim || e.State != store.EffectInDoubt {
				t.Fatalf("it was looked at before a status could come: %+v", e)
			}
			if by < 0 {
				// What is written down by the clock waits until the clock is there again: late, and never early.
				b.clock.Advance(-by)
			}
			b.clock.Advance(time.Second)
			b.eventually("it is repeated", func() bool { return len(b.graph.made()) == 2 })
			b.becomes("r/send/1", store.EffectDone)
		})
	}
}

func TestAProcessThatStartsGivesStatusesTheTimeToCome(t *testing.T) {
	b := newBench(t)
	b.reply("r")
	b.update(func(tx *store.Tx) error {
		e, _, err := tx.EffectByKey("r/send/1")
		if err != nil {
			return err
		}
		_, err = tx.BeginCall(e, start, start)
		return err // And then the process dies.
	})
	// The receiver is away for an hour, in which Meta could not tell what became of the message.
	b.clock.Advance(time.Hour)
	b.run()
	b.becomes("r/send/1", store.EffectInDoubt)
	b.clock.AwaitTimers(1)
	b.clock.Advance(119 * time.Second)
	b.outbox.Wake()
	b.clock.AwaitTimers(1)
	if made := b.graph.made(); len(made) != 0 {
		t.Fatalf("it was repeated before a status could come: %v", made)
	}
	b.clock.Advance(2 * time.Second)
	b.becomes("r/send/1", store.EffectDone)
}
