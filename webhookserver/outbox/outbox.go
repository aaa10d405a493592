// Package outbox makes the remote calls that conversations want. Every call is an effect in the store: it is marked
// as in flight before it is made and as done after, so that a crash in between leaves it in doubt, and not forgotten
// or made twice. Calls of one conversation to one destination are made one after the other.
package outbox

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
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
	// stuckAfter and stuckAttempts are for how long, and how often at least, a call is made that alone does not come
	// through.
	stuckAfter    = 30 * time.Minute
	stuckAttempts = 12
	// probeAfter is how long a destination that no call can succeed with is left alone, before one call tries again.
	probeAfter = 15 * time.Minute
	// longestSleep bounds how long a timer is waited for without looking at the clock again, which may have been set.
	longestSleep = time.Minute
	// senderLease is how long one of several processes has the sending for itself, so that WhatsApp's limits are kept by
	// all of them together.
	senderLease = 10 * time.Second
	sender      = "sender"
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
	// Throughput, if set, returns how many messages a second the number may send; zero for the standard.
	Throughput func() int
	// Jitter returns a random number in [0, 1).
	Jitter func() float64
}

// Outbox makes remote calls.
type Outbox struct {
	Options
	wake    chan struct{}
	running sync.WaitGroup
	pace    *pace
	// name tells this process from others that have the store open.
	name string
	// taking is set while effects are taken that are not among busy yet.
	taking atomic.Bool

	mu sync.Mutex
	// began is since when statuses can come, by Clock.Elapsed: since Run did, or the database was last away.
	began time.Duration
	// busy holds the effects whose calls are being made. It counts the calls of each, because one may be taken again between the
	// note of how its call ended and the end of that.
	busy map[conversation.Destination]map[int64]int
	// doubted holds since when the effects are in doubt that came to be so here, by Clock.Elapsed.
	doubted map[int64]time.Duration
	// resting holds the destinations that are left alone for a moment.
	resting map[conversation.Destination]rest
	// stopped holds the destinations that no call can succeed with.
	stopped map[conversation.Destination]stop
	// configuration counts the changes of the configuration.
	configuration int
	// proven is until when messages were sent whose failures say nothing of sending at present.
	proven time.Time
}

type stop struct {
	reason string
	// until is when to try again; zero to wait for a change.
	until time.Time
	// heard, if not zero, tells that WhatsApp said so by the status of a message that it had accepted, and when that was
	// sent.
	heard time.Time
}

// rest is a moment in which a destination is left alone. It says how long it is, because the clock may be set back.
type rest struct {
	until time.Time
	lasts time.Duration
}

func (r rest) over(now time.Time) bool { return !now.Before(r.until) || r.until.Sub(now) > r.lasts }

// New returns an outbox that does nothing before Run.
func New(o Options) *Outbox {
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return &Outbox{
		Options: o, wake: make(chan struct{}, 1), pace: newPace(), name: crand.Text(),
		busy: map[conversation.Destination]map[int64]int{}, stopped: map[conversation.Destination]stop{},
		resting: map[conversation.Destination]rest{}, doubted: map[int64]time.Duration{},
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
	if !o.stopped[conversation.Graph].heard.IsZero() {
		o.proven = o.Clock.Now()
	}
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

// Idle tells that no call is being made, looked after, or just being taken.
func (o *Outbox) Idle() bool { return !o.taking.Load() && len(o.made()) == 0 }

// Run makes calls until the context ends or the store fails, and then waits for the calls that were begun.
func (o *Outbox) Run(ctx context.Context) error {
	defer o.running.Wait()
	o.deaf()
	for {
		next, err := o.dispatch(ctx)
		switch {
		case errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil:
			o.Log.Error("the database cannot be used; trying again", "error", err)
			o.deaf()
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
		timer := clock.Until(o.Clock, next, longestSleep)
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
