package outbox_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// replies lets an agent answer with a file and, in a reply of its own, with a text.
func (a *album) replies() {
	a.t.Helper()
	a.receive("")
	files, err := media.OpenDir(a.dir)
	if err != nil {
		a.t.Fatal(err)
	}
	draft, err := files.Draft(context.Background())
	if err == nil {
		_, err = io.WriteString(draft, photo)
	}
	if err == nil {
		err = draft.Keep(conversation.FileID("bill"))
	}
	if err != nil {
		a.t.Fatal(err)
	}
	bill := conversation.File{ID: conversation.FileID("bill"), Kind: "document", Name: "bill.pdf", MIMEType: "application/pdf", Size: int64(len(photo))}
	for _, r := range []conversation.ReplyWritten{
		{ID: "bill", Epoch: 1, Files: []conversation.File{bill}},
		{ID: "later", Epoch: 1, Text: "later"},
	} {
		if err := a.store.Update(context.Background(), func(tx *store.Tx) error {
			return engine.Apply(tx, "c", r, start)
		}); err != nil {
			a.t.Fatal(err)
		}
	}
}

// sent is what the customer was sent.
func (a *album) sent() (list []string) {
	for _, m := range a.meta.Customer("16315551181", "Erika").Received() {
		list = append(list, m.Text+m.Filename)
	}
	return list
}

func (a *album) effect(key string) (e store.Effect) {
	a.t.Helper()
	if err := a.store.View(context.Background(), func(tx *store.Tx) (err error) {
		e, _, err = tx.EffectByKey(key)
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
	return e
}

func (a *album) letters() (list []store.Effect) {
	a.t.Helper()
	if err := a.store.View(context.Background(), func(tx *store.Tx) (err error) {
		list, err = tx.DeadLetters(0, 10)
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
	return list
}

// later turns the clock on, step by step while no call is made, until a condition holds.
func (a *album) later(what string, step time.Duration, condition func() bool) {
	a.t.Helper()
	gomega.NewWithT(a.t).Eventually(func() bool {
		if a.box.Idle() {
			a.clock.Advance(step)
		}
		return condition()
	}).WithTimeout(2*time.Minute).WithPolling(2*time.Millisecond).Should(gomega.BeTrue(), what)
}

func TestAFileThatNeverGetsThroughHoldsUpNoLaterReplyForLong(t *testing.T) {
	for name, failure := range map[string]cloudapitest.Failure{
		"no answer comes":         {Hang: true},
		"the connection breaks":   {CloseConnection: true},
		"Meta fails":              {Code: 131000, HTTPStatus: 500},
		"a proxy answers":         {HTTPStatus: 502},
		"Meta says try it later":  {Code: 131016},
		"a proxy takes less only": {HTTPStatus: 413},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAlbum(t, cloudapitest.File{})
			failure.Endpoint, a.pauses = cloudapitest.PostMedia, 1
			if failure.Hang {
				a.patience = 250 * time.Millisecond
			}
			a.meta.Fail(failure)
			a.replies()
			a.run()
			a.later("the later reply", 10*time.Second, func() bool { return len(a.sent()) == 1 })
			if diff := cmp.Diff([]string{"later"}, a.sent()); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if n, took := a.meta.Count(cloudapitest.PostMedia), a.clock.Now().Sub(start); n < 12 || took < 30*time.Minute {
				t.Errorf("it was given up after %d attempts in %v", n, took)
			}
			letters := a.letters()
			if len(letters) != 2 || letters[0].UploadMedia == nil || letters[1].SendText == nil {
				t.Fatalf("the dead letters are %+v", letters)
			}
			shown := a.effect("bill/delivery/" + string(conversation.NotSent)).SetDelivery
			for _, want := range []string{`"bill.pdf"`, "attempts", "Attach it to a new reply"} {
				if shown == nil || !strings.Contains(shown.Reason, want) {
					t.Errorf("the ticket says %+v, without %s", shown, want)
				}
			}
			a.meta.Heal()
			for _, letter := range letters {
				if err := a.store.Update(context.Background(), func(tx *store.Tx) error {
					_, err := tx.Replay(letter.ID, a.clock.Now())
					return err
				}); err != nil {
					t.Fatal(err)
				}
			}
			a.box.Wake()
			a.later("the file, once replayed", time.Second, func() bool { return len(a.sent()) == 2 })
			if diff := cmp.Diff([]string{"later", "bill.pdf"}, a.sent()); diff != "" || len(a.letters()) != 0 {
				t.Errorf("after a replay (-want +got):\n%s\n%d dead letters", diff, len(a.letters()))
			}
		})
	}
}

func TestNoFileIsGivenUpThatMayStillGetThrough(t *testing.T) {
	for name, tc := range map[string]struct {
		failure cloudapitest.Failure
		waited  time.Duration
		// pauses is how much of the longest pause is made between attempts.
		pauses float64
		// during waits while the trouble lasts.
		during func(a *album, tried func() int)
	}{
		"Meta answers nothing for hours":        {cloudapitest.Failure{CloseConnection: true}, 0, 1, (*album).hours},
		"Meta fails at everything for hours":    {cloudapitest.Failure{Code: 131000, HTTPStatus: 500}, 0, 1, (*album).hours},
		"Meta takes no files a few times":       {cloudapitest.Failure{Endpoint: cloudapitest.PostMedia, Code: 131000, Times: 11}, time.Hour, 1, (*album).hours},
		"Meta takes no files for a short while": {cloudapitest.Failure{Endpoint: cloudapitest.PostMedia, Code: 131000}, 0, 0, (*album).moment},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAlbum(t, cloudapitest.File{})
			a.pauses = tc.pauses
			a.replies()
			a.meta.Fail(tc.failure)
			// The replies waited before the first attempt.
			a.clock.Advance(tc.waited)
			a.run()
			tc.during(a, func() int { return a.meta.Count(cloudapitest.PostMedia) })
			a.meta.Heal()
			a.later("both replies", 10*time.Second, func() bool { return len(a.sent()) == 2 })
			if diff := cmp.Diff([]string{"bill.pdf", "later"}, a.sent()); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if letters := a.letters(); len(letters) != 0 {
				t.Errorf("the dead letters are %+v", letters)
			}
		})
	}
}

// hours pass in which it is tried many times, or until the replies were sent.
func (a *album) hours(tried func() int) {
	a.t.Helper()
	a.later("some hours", 30*time.Second, func() bool {
		return len(a.sent()) == 2 || (tried() >= 20 && a.clock.Now().Sub(start) >= 3*time.Hour)
	})
}

// moment is over before any time has passed, however often it was tried.
func (a *album) moment(tried func() int) {
	a.t.Helper()
	a.later("many attempts", 0, func() bool { return tried() >= 20 })
}
