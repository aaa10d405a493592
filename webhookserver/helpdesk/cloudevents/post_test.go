package cloudevents_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// Whatever the endpoint answers, the event comes again: what differs is whether others may be tried meanwhile.
func TestWhatAnswersMean(t *testing.T) {
	for status, want := range map[int]struct {
		means  helpdesk.Meaning
		reason string
		ready  bool
	}{
		http.StatusOK:                    {ready: true, reason: helpdesk.ReasonReady},
		http.StatusAccepted:              {ready: true, reason: helpdesk.ReasonReady},
		http.StatusFound:                 {means: helpdesk.NotDone, reason: helpdesk.ReasonRejected},
		http.StatusBadRequest:            {means: helpdesk.NotDone, reason: helpdesk.ReasonRejected},
		http.StatusUnauthorized:          {means: helpdesk.Stop, reason: helpdesk.ReasonTokenRefused},
		http.StatusForbidden:             {means: helpdesk.Stop, reason: helpdesk.ReasonTokenRefused},
		http.StatusTooManyRequests:       {means: helpdesk.NotDone, reason: helpdesk.ReasonThrottled},
		http.StatusInternalServerError:   {means: helpdesk.NotDone, reason: helpdesk.ReasonRejected},
		http.StatusServiceUnavailable:    {means: helpdesk.NotDone, reason: helpdesk.ReasonRejected},
		http.StatusRequestEntityTooLarge: {means: helpdesk.NotDone, reason: helpdesk.ReasonRejected},
	} {
		e, desk := open(t, helpdesk.Receiver{Clock: clocktest.New(start)})
		if status != http.StatusOK {
			e.answer = status
		}
		ctx := helpdesk.WithCallKey(t.Context(), "key")
		err := desk.SetState(ctx, "c1/1", conversation.TicketIsOpen)
		failure := (*helpdesk.Error)(nil)
		if want.ready != (err == nil) || (err != nil && (!errors.As(err, &failure) || failure.Means != want.means || failure.Reason != want.reason)) {
			t.Errorf("%d means %#v", status, err)
		}
		if failure != nil && failure.RetryAfter != 7*time.Second {
			t.Errorf("%d asks to wait %s", status, failure.RetryAfter)
		}
		if health := desk.Check(t.Context()); health.Ready != want.ready || health.Reason != want.reason || health.Message == "" {
			t.Errorf("after %d the helpdesk is %+v", status, health)
		}
	}
}

func TestAnEndpointThatIsNotThere(t *testing.T) {
	e, desk := open(t, helpdesk.Receiver{Clock: clocktest.New(start)})
	e.lose = true
	ctx := helpdesk.WithCallKey(t.Context(), "key")
	err := desk.SetState(ctx, "c1/1", conversation.TicketIsOpen)
	failure := (*helpdesk.Error)(nil)
	if !errors.As(err, &failure) || failure.Means != helpdesk.InDoubt || failure.Reason != helpdesk.ReasonUnreachable {
		t.Errorf("a lost answer means %#v", err)
	}
	first := e.lastID()
	if err := desk.SetState(ctx, "c1/1", conversation.TicketIsOpen); err != nil || e.lastID() != first {
		t.Errorf("repeated as %q, %v, after %q", e.lastID(), err, first)
	}
	if err := desk.SetState(helpdesk.WithCallKey(t.Context(), "other"), "c1/1", conversation.TicketIsOpen); err != nil || e.lastID() == first {
		t.Errorf("another event has the same ID, %v", err)
	}
}
