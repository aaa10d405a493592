package zammad_test

import (
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

// withAFile lets an agent write with a file, then once more, and close the ticket.
func (w *world) withAFile(id string) {
	w.t.Helper()
	agent := w.Agent(w.agent)
	agent.Writes(number(id), zammadtest.Note{
		Body: "One", Plain: true, Files: []zammadtest.File{{Name: "a.png", MIMEType: "image/png", Content: []byte("picture")}},
	})
	agent.Replies(number(id), "Two")
	agent.Closes(number(id))
}

// later turns the clock on, step by step, until the receiver was told these lines.
func (w *world) later(step time.Duration, lines ...string) {
	w.t.Helper()
	w.passes(step, func() bool {
		w.receiver.mu.Lock()
		defer w.receiver.mu.Unlock()
		return slices.Equal(w.receiver.told, lines)
	})
}

func (w *world) passes(step time.Duration, until func() bool) {
	w.t.Helper()
	gomega.NewWithT(w.t).Eventually(func() bool {
		w.clock.Advance(step)
		return until()
	}).WithTimeout(20 * time.Second).WithPolling(2 * time.Millisecond).Should(gomega.BeTrue())
}

func TestAFileThatNeverComesHoldsUpNoLaterReplyForLong(t *testing.T) {
	for name, failure := range map[string]zammadtest.Failure{
		"no answer comes":         {Hang: true},
		"the connection breaks":   {CloseConnection: true},
		"Zammad fails":            {Status: 500, Text: "No such file"},
		"a web server refuses it": {Status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			failure.Endpoint = zammadtest.GetAttachment
			if failure.Hang {
				requests := w.timeRequests()
				failure.Then = func() { requests.Advance(30 * time.Second) }
			}
			w.desk.Check(t.Context())
			w.run()
			id := w.open()
			w.Fail(failure)
			began := w.clock.Now()
			w.withAFile(id)
			w.later(10*time.Second, "reply on "+id+": One -a.png", "reply on "+id+": Two", id+" is closed")
			if n, took := w.Count(zammadtest.GetAttachment), w.clock.Now().Sub(began); n < 12 || took < 30*time.Minute {
				t.Errorf("it was given up after %d attempts in %v", n, took)
			}
		})
	}
}

func TestNoFileIsGivenUpThatMayStillCome(t *testing.T) {
	for name, tc := range map[string]struct {
		trouble func(w *world)
		during  func(w *world, id string)
	}{
		"Zammad is away for hours": {(*world).GoDown, (*world).hours},
		"files fail a few times, hours apart": {func(w *world) {
			w.Fail(zammadtest.Failure{Endpoint: zammadtest.GetAttachment, Status: 500, Times: 11})
		}, func(w *world, _ string) {
			w.passes(time.Hour, func() bool { return w.Count(zammadtest.GetAttachment) >= 11 })
		}},
		"files fail often in a short while": {func(w *world) {
			w.Fail(zammadtest.Failure{Endpoint: zammadtest.GetAttachment, Status: 500})
		}, func(w *world, id string) {
			w.passes(0, func() bool {
				w.Agent(w.agent).Notes(number(id), "More")
				return w.Count(zammadtest.GetAttachment) >= 20
			})
		}},
		"no file can be kept for hours": {func(w *world) { w.fill(true) }, func(w *world, id string) {
			w.hours(id)
			w.fill(false)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, id := live(t)
			tc.trouble(w)
			w.withAFile(id)
			tc.during(w, id)
			w.Heal()
			w.later(10*time.Second, "reply on "+id+": One +a.png(picture)", "reply on "+id+": Two", id+" is closed")
		})
	}
}

// hours pass.
func (w *world) hours(string) {
	w.t.Helper()
	end := w.clock.Now().Add(3 * time.Hour)
	w.passes(30*time.Second, func() bool { return w.clock.Now().After(end) })
}

func (w *world) fill(full bool) {
	w.receiver.mu.Lock()
	defer w.receiver.mu.Unlock()
	w.receiver.full = full
}
