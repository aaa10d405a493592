// Package clock tells the time. The receiver takes it from here and from nowhere else, so that tests can turn it.
package clock

import "time"

// Clock tells the time and wakes up later.
type Clock interface {
	// Now is the present time.
	Now() time.Time
	// Elapsed is how long it is since some moment before, by a clock that nobody sets: what is measured with it is right
	// whatever happens to Now.
	Elapsed() time.Duration
	// NewTimer returns a timer that fires once, d from now.
	NewTimer(d time.Duration) Timer
	// TimerAt returns a timer that fires once, when Elapsed is at: in time, too, where the clock has moved on since at was
	// worked out.
	TimerAt(at time.Duration) Timer
}

// Timer fires once.
type Timer interface {
	// C delivers the time at which the timer fired.
	C() <-chan time.Time
	// Stop keeps the timer from firing, and reports whether it did.
	Stop() bool
}

// Until returns a timer that fires when Now is t, and after the longest wait if that is sooner.
func Until(c Clock, t time.Time, longest time.Duration) Timer {
	// What passes between the two looks at the clock makes the timer early, and never late.
	begun := c.Elapsed()
	return c.TimerAt(begun + min(t.Sub(c.Now()), longest))
}

// System is the machine's own clock.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now() }

var begun = time.Now()

// Elapsed implements Clock.
func (System) Elapsed() time.Duration { return time.Since(begun) }

// NewTimer implements Clock.
func (System) NewTimer(d time.Duration) Timer { return systemTimer{time.NewTimer(d)} }

// TimerAt implements Clock.
func (s System) TimerAt(at time.Duration) Timer { return s.NewTimer(at - s.Elapsed()) }

type systemTimer struct{ *time.Timer }

func (t systemTimer) C() <-chan time.Time { return t.Timer.C }
