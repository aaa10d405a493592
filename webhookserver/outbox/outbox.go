// Package outbox makes the remote calls that conversations want. Every call is an effect in the store: it is marked
// as in flight before it is made and as done after, so that a crash in between leaves it in doubt, and not forgotten
// or made twice. Calls of one conversation to one destination are made one after the other.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// concurrency bounds the calls to one destination at the same time.
	concurrency = 8
	// callTimeout bounds one call.
	callTimeout = 20 * time.Second
	// statusWait is how long a message in doubt is left alone, because its status may still come.
	statusWait = 120 * time.Second
	// lease is how long a process has for a call, or for looking what became of one, before another may take the
	// effect over. It is longer than a call by what the clocks of two machines may differ.
	lease = time.Minute
	// transferTimeout and transferLease are the same for what moves a file.
	transferTimeout = 5 * time.Minute
	transferLease   = 6 * time.Minute
	// unavailableRetry is how long a database that cannot be used is left alone.
	unavailableRetry = time.Second
	// firstBackoff and maxBackoff bound the pauses between attempts.
	firstBackoff = time.Second
	maxBackoff   = 15 * time.Minute
	// giveUpAfter is how long the helpdesk is called for one effect.
	giveUpAfter = 7 * 24 * time.Hour
	// leastAttempts is how often it is called at least, because an effect may have waited long for its first call.
	leastAttempts = 20
	// probeAfter is how long a destination that no call can succeed with is left alone, before one call tries again.
	probeAfter = 15 * time.Minute
)

// Options are what an Outbox works with.
type Options struct {
	Store store.Store
	Clock clock.Clock
	Log   *slog.Logger
	// Held, if set, tells that no calls are to be made at present. A change is told by ConfigurationChanged.
	Held func() bool
	// Callers make the calls, by destination.
	Callers map[conversation.Destination]Caller
	// Jitter returns a random number in [0, 1).
	Jitter func() float64
}

// Outbox makes remote calls.
type Outbox struct {
	Options
	wake    chan struct{}
	running sync.WaitGroup

	mu sync.Mutex
	// busy counts the calls that are being made.
	busy map[conversation.Destination]int
	// stopped holds the destinations that no call can succeed with.
	stopped map[conversation.Destination]stop
	// configuration counts the changes of the configuration.
	configuration int
}

type stop struct {
	reason string
	// until is when to try again; zero to wait for a change.
	until time.Time
}

// New returns an outbox that does nothing before Run.
func New(o Options) *Outbox {
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return &Outbox{
		Options: o, wake: make(chan struct{}, 1),
		busy: map[conversation.Destination]int{}, stopped: map[conversation.Destination]stop{},
	}
}

// Wake tells that there may be new effects.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// ConfigurationChanged lets destinations go that waited for new configuration.
func (o *Outbox) ConfigurationChanged() {
	o.mu.Lock()
	clear(o.stopped)
	o.configuration++
	o.mu.Unlock()
	o.Wake()
}

// Release lets calls to a destination go that waited for it to be mended, because it is known to be.
func (o *Outbox) Release(d conversation.Destination) {
	o.release(d)
	o.Wake()
}

// StoppedReason says why no call to a destination can succeed at present; empty if they can.
func (o *Outbox) StoppedReason(d conversation.Destination) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stopped[d].reason
}

// Run makes calls until the context ends or the store fails, and then waits for the calls that were begun.
func (o *Outbox) Run(ctx context.Context) error {
	defer o.running.Wait()
	for {
		next, err := o.dispatch(ctx)
		switch {
		case errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil:
			o.Log.Error("the database cannot be used; trying again", "error", err)
			next = o.Clock.Now().Add(unavailableRetry)
		case err != nil:
			return ended(ctx, err)
		}
		if !o.wait(ctx, next) {
			return o.Store.Err()
		}
	}
}

// ended tells the end of the context from a failure.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("make remote calls: %w", err)
}

// wait waits until there may be something to do, and reports whether to go on. A zero next means that only a wake-up
// brings something, or another process that has the store open.
func (o *Outbox) wait(ctx context.Context, next time.Time) bool {
	if poll := o.Store.Poll(); poll > 0 {
		next = earliest(next, o.Clock.Now().Add(poll))
	}
	var due <-chan time.Time
	if !next.IsZero() {
		timer := o.Clock.NewTimer(next.Sub(o.Clock.Now()))
		defer timer.Stop()
		due = timer.C()
	}
	select {
	case <-o.wake:
	case <-due:
	case <-o.Store.Failed():
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

// job is an effect that was taken, with its conversation.
type job struct {
	effect store.Effect
	state  conversation.State
	// configuration is that under which the call is made.
	configuration int
}

// dispatch begins the calls that are due and returns when the next will be.
func (o *Outbox) dispatch(ctx context.Context) (next time.Time, err error) {
	room, resume := o.room()
	var destinations []conversation.Destination
	for d := range room {
		destinations = append(destinations, d)
	}
	if next, err = o.nextDue(ctx, destinations); err != nil || next.IsZero() || next.After(o.Clock.Now()) {
		return earliest(next, resume), err
	}
	var (
		jobs        []job
		interrupted int64
	)
	if err := o.Store.Update(ctx, func(tx *store.Tx) (err error) {
		jobs = jobs[:0]
		if interrupted, err = tx.DoubtInFlight(o.Clock.Now(), statusWait); err != nil {
			return err
		}
		for d, limit := range room {
			taken, err := o.take(tx, d, limit)
			if err != nil {
				return err
			}
			jobs = append(jobs, taken...)
		}
		return nil
	}); err != nil {
		return time.Time{}, err
	}
	if interrupted > 0 {
		o.Log.Info("calls were interrupted; looking what became of them", "calls", interrupted)
	}
	for _, j := range jobs {
		o.start(ctx, j)
	}
	// Something may have been settled in the taking, or there was more than room for.
	if room, _ = o.room(); len(room) == 0 {
		return resume, nil
	}
	destinations = destinations[:0]
	for d := range room {
		destinations = append(destinations, d)
	}
	next, err = o.nextDue(ctx, destinations)
	return earliest(next, resume), err
}

func (o *Outbox) nextDue(ctx context.Context, destinations []conversation.Destination) (next time.Time, err error) {
	err = o.Store.View(ctx, func(tx *store.Tx) error {
		next, err = tx.NextDue(destinations...)
		return err
	})
	return next, err
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// room returns how many calls each destination can take, and when the first of those that take none may be tried
// again.
func (o *Outbox) room() (room map[conversation.Destination]int, resume time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room = map[conversation.Destination]int{}
	held := o.Held != nil && o.Held()
	now := o.Clock.Now()
	for d := range o.Callers {
		// WhatsApp keeps files for days only, so they are fetched while all else is held.
		if held && d != conversation.Media {
			continue
		}
		free := concurrency - o.busy[d]
		if s, stopped := o.stopped[d]; stopped {
			if s.until.IsZero() || now.Before(s.until) {
				resume = earliest(resume, s.until)
				continue
			}
			// One call finds out whether the others can go.
			free = 1 - o.busy[d]
		}
		if free > 0 {
			room[d] = free
		}
	}
	return room, resume
}

// take marks due effects as being called, or looked at, and returns them. Replies that have become too late are
// ended here.
func (o *Outbox) take(tx *store.Tx, d conversation.Destination, limit int) ([]job, error) {
	now := o.Clock.Now()
	due, err := tx.DueEffects(now, limit, d)
	if err != nil {
		return nil, err
	}
	var jobs []job
	for _, e := range due {
		state, found, err := tx.Conversation(e.Conversation)
		if err == nil && !found {
			err = engine.ErrNoConversation
		}
		switch {
		case err != nil:
		case e.State == store.EffectInDoubt:
			e, err = tx.BeginLook(e, now.Add(leaseOf(e)))
			jobs = append(jobs, job{effect: e, state: state})
		case e.Kind.Destination() == conversation.Graph && !state.MaySend(now):
			err = finish(tx, e, store.EffectGivenUp, conversation.Refused, conversation.WindowClosed(state.WindowEnds()), now)
		case e.SendText != nil && state.Outdated(*e.SendText, now) != "":
			err = finish(tx, e, store.EffectGivenUp, conversation.Refused, state.Outdated(*e.SendText, now), now)
		default:
			e, err = tx.BeginCall(e, now, now.Add(leaseOf(e)))
			jobs = append(jobs, job{effect: e, state: state})
		}
		if err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

func timeoutOf(e store.Effect) time.Duration {
	if e.FetchMedia != nil || e.UploadMedia != nil {
		return transferTimeout
	}
	return callTimeout
}

func leaseOf(e store.Effect) time.Duration {
	if e.FetchMedia != nil || e.UploadMedia != nil {
		return transferLease
	}
	return lease
}

func (o *Outbox) start(ctx context.Context, j job) {
	d := j.effect.Kind.Destination()
	o.mu.Lock()
	o.busy[d]++
	j.configuration = o.configuration
	o.mu.Unlock()
	o.running.Go(func() {
		// A call that was begun is finished, so that a shutdown leaves nothing in doubt.
		callCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeoutOf(j.effect))
		defer cancel()
		var err error
		if j.effect.State == store.EffectInDoubt {
			err = o.look(callCtx, j)
		} else {
			err = o.call(callCtx, j)
		}
		if err != nil && !errors.Is(err, store.ErrSettled) && o.Store.Err() == nil {
			o.Log.Error("the end of a call could not be noted; it is looked at again", "kind", j.effect.Kind, "error", err)
		}
		o.mu.Lock()
		o.busy[d]--
		o.mu.Unlock()
		o.Wake()
	})
}
