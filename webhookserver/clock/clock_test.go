package clock_test

import (
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
)

var start = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

// hasty is a clock that moves on by a second after each look at it.
type hasty struct{ *clocktest.Fake }

func (h hasty) Now() time.Time {
	defer h.Advance(time.Second)
	return h.Fake.Now()
}

func (h hasty) Elapsed() time.Duration {
	defer h.Advance(time.Second)
	return h.Fake.Elapsed()
}

func fired(timer clock.Timer) bool {
	select {
	case <-timer.C():
		return true
	default:
		return false
	}
}

func TestATimerIsInTimeThoughTheClockMovesOnMeanwhile(t *testing.T) {
	for _, after := range []time.Duration{-time.Hour, 0, 2 * time.Second} {
		if !fired(clock.Until(hasty{clocktest.New(start)}, start.Add(after), time.Minute)) {
			t.Errorf("the timer for %v after the start did not fire, and the clock is there", after)
		}
	}
}

func TestATimerFiresAfterTheLongestWait(t *testing.T) {
	c := clocktest.New(start)
	soon, late := clock.Until(c, start.Add(time.Second), time.Minute), clock.Until(c, start.Add(time.Hour), time.Minute)
	c.Advance(time.Second - 1)
	if fired(soon) {
		t.Error("a timer fired before its time")
	}
	c.Advance(1)
	if !fired(soon) || fired(late) {
		t.Error("not the timer fired whose time came")
	}
	c.Advance(time.Minute - time.Second)
	if !fired(late) {
		t.Error("the longest wait is over, and the timer did not fire")
	}
}

func TestTheSystemsTimersFire(*testing.T) {
	c := clock.System{}
	<-c.TimerAt(c.Elapsed() + 1).C()
	<-clock.Until(c, c.Now().Add(-time.Second), time.Minute).C()
}
