package outbox_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// sends writes a reply to a customer of its own, a second after the one before, and waits until WhatsApp accepted it.
func (b *bench) sends(id string) {
	b.t.Helper()
	b.clock.Advance(time.Second)
	b.waits(id)
	b.becomes(id+"/send/1", store.EffectDone)
}

// waits queues a reply to a customer of its own.
func (b *bench) waits(id string) {
	b.t.Helper()
	b.customer(id)
	b.replyTo(id, id)
	b.outbox.Wake()
}

// hears tells of the status of a message, and with a code why it failed.
func (b *bench) hears(id, status string, code int) {
	b.t.Helper()
	s := webhook.Status{Status: status}
	if code != 0 {
		s.Errors = []webhook.Error{{Code: code, Title: "Business eligibility payment issue", Details: "Something about 15550001111."}}
	}
	b.outbox.Heard(b.effect(id+"/send/1"), s)
}

func (b *bench) stopped() string { return b.outbox.StoppedReason(conversation.Graph) }

func TestMessagesThatNeverArriveAreHeldBack(t *testing.T) {
	b := newBench(t)
	b.run()
	b.sends("first")
	b.hears("first", webhook.StatusFailed, 131042)
	want := "Meta did not deliver a message: Business eligibility payment issue (code 131042). " +
		"Put the payment method of the business account in order in WhatsApp Manager."
	if diff := cmp.Diff(want, b.stopped()); diff != "" {
		t.Errorf("the reason (-want +got):\n%s", diff)
	}
	b.waits("second")
	b.waits("third")
	// Now and then one is tried. That it was accepted says nothing.
	for n, id := range []string{"second", "third"} {
		b.clock.Advance(15*time.Minute - time.Second)
		b.outbox.Wake()
		if got := len(b.graph.made()); got != n+1 {
			t.Fatalf("%d calls before the time of the probe", got)
		}
		b.clock.Advance(time.Second)
		b.outbox.Wake()
		b.becomes(id+"/send/1", store.EffectDone)
	}
	b.waits("fourth")
	b.waits("fifth")
	if got := len(b.graph.made()); got != 3 || b.stopped() != want {
		t.Errorf("%d calls, stopped: %s", got, b.stopped())
	}
	b.hears("third", webhook.StatusSent, 0)
	b.becomes("fourth/send/1", store.EffectDone)
	b.becomes("fifth/send/1", store.EffectDone)
	if b.stopped() != "" {
		t.Errorf("still stopped: %s", b.stopped())
	}
}

func TestWhatAStatusSaysOfOtherMessages(t *testing.T) {
	for name, tc := range map[string]struct {
		heard func(*bench)
		stops bool
	}{
		"a failure that is the customer's": {func(b *bench) { b.hears("two", webhook.StatusFailed, 131026) }, false},
		"a failure that others would meet": {func(b *bench) { b.hears("one", webhook.StatusFailed, 131031) }, true},
		"one of a message that was sent before one that went": {func(b *bench) {
			b.hears("two", webhook.StatusDelivered, 0)
			b.hears("one", webhook.StatusFailed, 131031)
		}, false},
		"that a message went which was sent before the one that failed": {func(b *bench) {
			b.hears("two", webhook.StatusFailed, 131031)
			b.hears("one", webhook.StatusRead, 0)
		}, true},
		"nothing more when the configuration was changed": {func(b *bench) {
			b.hears("one", webhook.StatusFailed, 131031)
			b.outbox.ConfigurationChanged()
			b.hears("two", webhook.StatusFailed, 131031)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.run()
			b.sends("one")
			b.sends("two")
			tc.heard(b)
			if stopped := b.stopped(); (stopped != "") != tc.stops {
				t.Errorf("stopped: %q", stopped)
			}
		})
	}
}
