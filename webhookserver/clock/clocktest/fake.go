// Package clocktest has a clock that stands still until a test turns it.
package clocktest

import (
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

// Fake is a clock that only Advance moves. It is safe for concurrent use.
type Fake struct {
	mu  sync.Mutex
	now time.Time
	// elapsed is how far Advance moved the clock, and timers fire by it.
	elapsed time.Duration
	timers  map[*timer]struct{}
	// changed is closed and replaced whenever a timer is added.
	changed chan struct{}
}

// New returns a clock that shows now.
func New(now time.Time) *Fake {
	return &Fake{now: now, timers: map[*timer]struct{}{}, changed: make(chan struct{})}
}

// Now implements clock.Clock.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Elapsed implements clock.Clock.
func (f *Fake) Elapsed() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.elapsed
}

// NewTimer implements clock.Clock. A timer of no duration fires at once.
func (f *Fake) NewTimer(d time.Duration) clock.Timer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.timerAt(f.elapsed + d)
}

// TimerAt implements clock.Clock. A timer for a time that is over fires at once.
func (f *Fake) TimerAt(at time.Duration) clock.Timer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.timerAt(at)
}

// timerAt returns a timer; f.mu is held.
func (f *Fake) timerAt(at time.Duration) *timer {
	t := &timer{clock: f, at: at, c: make(chan time.Time, 1)}
	if at <= f.elapsed {
		t.c <- f.now
		return t
	}
	f.timers[t] = struct{}{}
	close(f.changed)
	f.changed = make(chan struct{})
	return t
}

// Advance moves the clock and fires the timers that became due.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now, f.elapsed = f.now.Add(d), f.elapsed+d
	for t := range f.timers {
		if t.at <= f.elapsed {
			delete(f.timers, t)
			t.c <- f.now
		}
	}
}

// Set sets the clock forward or back, as an operator of the machine does: no time passes.
func (f *Fake) Set(by time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(by)
}

// AwaitTimers blocks until at least n timers wait to fire, so that a test does not turn the clock before the code
// under test looked at it.
func (f *Fake) AwaitTimers(n int) {
	for {
		f.mu.Lock()
		waiting, changed := len(f.timers), f.changed
		f.mu.Unlock()
		if waiting >= n {
			return
		}
		<-changed
	}
}

type timer struct {
	clock *Fake
	at    time.Duration
	c     chan time.Time
}

func (t *timer) C() <-chan time.Time { return t.c }

func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	_, waiting := t.clock.timers[t]
	delete(t.clock.timers, t)
	return waiting
}
