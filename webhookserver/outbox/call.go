package outbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// What agents are told of a message whose fate is not known.
const (
	maybeTwice = "It is not known whether WhatsApp took this reply, so it was sent again: the customer may have received it twice."
	maybeSent  = "It is not known whether the customer received this message. It was not sent again."
)

// neverThrough is what people are told of a file that alone does not come through.
const neverThrough = "It did not get there in %d attempts, although WhatsApp answered other calls (%s). " +
	"Attach it to a new reply, as a smaller file if you can; the admin finds this one among the dead letters."

// ending notes how a call or a look ended.
type ending func(tx *store.Tx) error

// call makes the call of an effect.
func (o *Outbox) call(ctx context.Context, j job) ending {
	e := j.effect
	caller := o.Callers[e.Kind.Destination()]
	remoteID, callErr := caller.Call(ctx, e, j.state)
	if callErr == nil {
		o.answered(e)
		if e.SendText != nil {
			o.pace.taken()
		}
		return func(tx *store.Tx) error { return o.done(tx, e, remoteID) }
	}
	verdict := caller.Judge(callErr)
	switch verdict.Means {
	case Stop, StopUntilChanged:
		o.stop(e.Kind.Destination(), verdict, j.configuration)
	case NotYet:
	case NumberTooFast:
		o.answered(e)
		now := o.Clock.Now()
		o.rest(e.Kind.Destination(), now, o.pace.slow(verdict.After, now))
	default:
		o.answered(e)
	}
	if verdict.Means == InDoubt {
		o.doubt(e)
	}
	return func(tx *store.Tx) error { return o.failed(tx, e, verdict) }
}

// note writes an ending down, however long the call took. A database that is away is waited for, because what a
// destination answered is known nowhere else; after the end of the context it is asked once.
func (o *Outbox) note(ctx context.Context, end ending) error {
	for {
		err := o.Store.Update(context.WithoutCancel(ctx), end)
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		timer := o.Clock.NewTimer(unavailableRetry)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// done notes that an effect was carried out.
func (o *Outbox) done(tx *store.Tx, e store.Effect, remoteID string) error {
	now := o.Clock.Now()
	if err := tx.ConfirmEffect(e, remoteID, now); err != nil {
		return err
	}
	if e.FetchMedia != nil {
		return engine.Apply(tx, e.Conversation, fetched(e, remoteID), now)
	}
	if e.SendText == nil {
		return nil
	}
	event := conversation.SendFinished{Sent: e.SendText.Part, Outcome: conversation.Accepted}
	if err := engine.Apply(tx, e.Conversation, event, now); err != nil {
		return err
	}
	return engine.ApplyStatuses(tx, e, remoteID, now)
}

// failed notes that a call failed, and decides how it goes on.
func (o *Outbox) failed(tx *store.Tx, e store.Effect, v Verdict) error {
	now := o.Clock.Now()
	pause := max(o.backoff(e.Attempts), v.After)
	switch v.Means {
	case Stop, StopUntilChanged, NumberTooFast:
		return tx.Postpone(e, now, v.Reason, false)
	case NotYet:
		return tx.Postpone(e, now.Add(v.After), v.Reason, false)
	case CustomerTooFast:
		return tx.Postpone(e, now.Add(max(customerPause(e.Attempts), v.After)), v.Reason, true)
	case Refused:
		return finish(tx, e, store.EffectGivenUp, conversation.Refused, v.Reason, now)
	case Dead:
		return finish(tx, e, store.EffectDead, conversation.Refused, v.Reason, now)
	case Stuck:
		if e.Attempts >= stuckAttempts && now.Sub(e.CreatedAt) >= stuckAfter {
			return finish(tx, e, store.EffectDead, conversation.Refused, fmt.Sprintf(neverThrough, e.Attempts, v.Reason), now)
		}
		return tx.Postpone(e, now.Add(pause), v.Reason, true)
	case InDoubt:
		if e.SendText != nil {
			pause = statusWait
		}
		return tx.Doubt(e, now.Add(pause), v.Reason)
	default:
		if exhausted(e, now) {
			return finish(tx, e, store.EffectDead, conversation.Refused, v.Reason, now)
		}
		return tx.Postpone(e, now.Add(pause), v.Reason, true)
	}
}

// exhausted tells that the helpdesk was called for long enough. Messages to customers end with their window.
func exhausted(e store.Effect, now time.Time) bool {
	return e.SendText == nil && now.Sub(e.CreatedAt) > giveUpAfter && e.Attempts >= leastAttempts
}

// look finds out what became of an effect in doubt, and decides how it goes on.
func (o *Outbox) look(ctx context.Context, j job) ending {
	e := j.effect
	caller := o.Callers[e.Kind.Destination()]
	remoteID, found, err := caller.Find(ctx, e)
	var (
		verdict Verdict
		stops   bool
	)
	if err != nil {
		verdict = caller.Judge(err)
		stops = verdict.Means == Stop || verdict.Means == StopUntilChanged
	}
	if stops {
		o.stop(e.Kind.Destination(), verdict, j.configuration)
	}
	return func(tx *store.Tx) error {
		now := o.Clock.Now()
		unsettled := o.unsettled(caller, e, now)
		switch {
		case err == nil && found:
			return o.done(tx, e, remoteID)
		case exhausted(e, now):
			return finish(tx, e, store.EffectDead, conversation.Unknown, "the helpdesk did not do this in seven days", now)
		case stops:
			return tx.HoldEffect(e, now, false)
		case err != nil:
			return tx.HoldEffect(e, now.Add(max(o.backoff(e.Attempts), verdict.After)), true)
		case unsettled > 0:
			return tx.HoldEffect(e, now.Add(unsettled), false)
		case e.SendText == nil:
			// The destination would know, so it was not carried out.
			return tx.RepeatEffect(e, now)
		case e.SendText.Purpose.Courtesy():
			return finish(tx, e, store.EffectGivenUp, conversation.Unknown, maybeSent, now)
		case e.Repeated:
			return finish(tx, e, store.EffectDead, conversation.Unknown, maybeSent, now)
		}
		if err := tx.RepeatEffect(e, now); err != nil {
			return err
		}
		return engine.Apply(tx, e.Conversation, conversation.SendFinished{
			Sent: e.SendText.Part, Outcome: conversation.Repeated, Reason: maybeTwice,
		}, now)
	}
}

// finish ends an effect that was not carried out, as far as is known, and lets the conversation know. If something
// settled it meanwhile, that stands.
func finish(tx *store.Tx, e store.Effect, state store.EffectState, outcome conversation.Outcome, reason string, now time.Time) error {
	fresh, err := tx.FinishEffect(e, state, "", reason, now)
	if err == nil && fresh && e.FetchMedia != nil {
		return engine.Apply(tx, e.Conversation, notFetched(e, reason), now)
	}
	if err != nil || !fresh || e.SendText == nil {
		return err
	}
	return engine.Apply(tx, e.Conversation, conversation.SendFinished{Sent: e.SendText.Part, Outcome: outcome, Reason: reason}, now)
}

// backoff returns the pause after an attempt: random, so that many that failed together do not come back together.
func (o *Outbox) backoff(attempts int) time.Duration {
	ceiling := math.Min(float64(maxBackoff), float64(firstBackoff)*math.Pow(2, float64(max(attempts, 1)-1)))
	return time.Duration(o.Jitter() * ceiling)
}

// customerPause is the pause that WhatsApp advises after an attempt that was too soon for the customer.
func customerPause(attempts int) time.Duration {
	return time.Duration(math.Min(float64(maxBackoff), math.Pow(4, float64(max(attempts, 1)))*float64(time.Second)))
}

// stop holds the calls to a destination back, unless the configuration has changed since the call that told so.
func (o *Outbox) stop(d conversation.Destination, v Verdict, configuration int) {
	s := stop{reason: v.Reason}
	if v.Means == Stop {
		s.until = o.Clock.Now().Add(max(probeAfter, v.After))
	}
	o.mu.Lock()
	if configuration != o.configuration {
		o.mu.Unlock()
		return
	}
	_, already := o.stopped[d]
	o.stopped[d] = s
	o.mu.Unlock()
	if !already {
		o.Log.Error("calls are held back until this is mended", "destination", d, "reason", v.Reason)
	}
}

func (o *Outbox) release(d conversation.Destination) {
	o.mu.Lock()
	_, was := o.stopped[d]
	delete(o.stopped, d)
	o.mu.Unlock()
	if was {
		o.Log.Info("calls are made again", "destination", d)
	}
}
