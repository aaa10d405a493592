package webhookserver_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func TestZammadMayBeAwayForHours(t *testing.T) {
	w := withZammad(t, stoppedClock())
	ticket := w.open()
	w.zammad.GoDown()
	// What an agent wrote right before is told by no doorbell any more.
	w.emma.Replies(ticket, "Right before")
	second := w.meta.Customer("4915198765432", "Max Muster")
	w.leaks.Register("4915198765432", "Max Muster")
	for hour := range 5 {
		for _, c := range []struct {
			says func(number, text string) string
			name string
		}{{w.customer.Says, "first"}, {second.Says, "second"}} {
			c.says(w.number.ID, fmt.Sprintf("%s %d", c.name, hour))
		}
		if hour == 0 {
			w.eventually("the second customer's welcome, though no ticket can be opened", func() bool { return len(second.Received()) == 1 })
		}
		for range 60 {
			w.clock.Advance(time.Minute)
		}
	}
	w.later("the condition", func() bool { return w.reason() == "Unreachable" })
	if got := len(w.zammad.Tickets()); got != 1 {
		t.Fatalf("%d tickets", got)
	}
	w.zammad.Heal()
	w.later("everything", func() bool {
		list := w.zammad.Tickets()
		return len(list) == 2 && len(list[0].Articles) == 8 && len(list[1].Articles) == 6 && len(w.received()) == 2
	})
	for i, want := range []string{
		customerText + "|Thanks for writing.|Right before|first 0|first 1|first 2|first 3|first 4",
		"second 0|Thanks for writing.|second 1|second 2|second 3|second 4",
	} {
		var texts []string
		for _, a := range w.zammad.Tickets()[i].Articles {
			texts = append(texts, a.Body)
		}
		if diff := cmp.Diff(want, strings.Join(texts, "|")); diff != "" {
			t.Errorf("ticket %d (-want +got):\n%s", i+1, diff)
		}
	}
	w.wantReceived("Thanks for writing.", "Right before")
	w.later("ready again", func() bool { return w.reason() == "Ready" })
}

// Zammad tells of what the channel writes before the channel has the answer that it is written, and has its tickets read
// in that moment. The token's user is an agent.
func TestNothingThatTheChannelWritesComesBack(t *testing.T) {
	w := withZammad(t, nil)
	var rings atomic.Int64
	for _, endpoint := range []zammadtest.Endpoint{zammadtest.PostTickets, zammadtest.PutTicket} {
		w.zammad.Fail(zammadtest.Failure{Endpoint: endpoint, Delay: time.Nanosecond, AfterEffect: true, Then: func() {
			list := w.zammad.Tickets()
			if len(list) == 0 {
				return
			}
			read := w.zammad.Count(zammadtest.GetArticlesOf)
			w.ring(fmt.Sprintf(`{"ticket":{"id":%d}}`, list[len(list)-1].ID), zammadSecret, fmt.Sprint(rings.Add(1)))
			w.eventually("the ticket is read", func() bool { return w.zammad.Count(zammadtest.GetArticlesOf) > read })
		}})
	}
	ticket := w.open()
	w.emma.Replies(ticket, "A reply")
	w.eventually("the reply", func() bool { return len(w.received()) >= 2 })
	w.emma.Closes(ticket)
	w.eventually("the goodbye", func() bool { return len(w.received()) >= 3 })
	w.wantReceived("Thanks for writing.", "A reply", "Your request is closed.")
	if n := rings.Load(); n < 3 {
		t.Errorf("Zammad told of what was written %d times", n)
	}
}

func TestNoMessageIsLostWhileZammadsTokenIsReplaced(t *testing.T) {
	for name, replace := range map[string]func(w *zammadReceiver, before, next string, load *conversing){
		"and the one before is revoked afterwards": func(w *zammadReceiver, before, next string, load *conversing) {
			w.putToken(next)
			load.more(20)
			w.zammad.RevokeToken(before)
		},
		"after the one before was revoked": func(w *zammadReceiver, before, next string, load *conversing) {
			w.zammad.RevokeToken(before)
			load.more(20)
			w.putToken(next)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := withZammad(t, nil)
			before := w.issue("ticket.agent")
			w.putToken(before)
			// By its user it can be told which token wrote an article.
			w.bot = w.zammad.AddAgent("WhatsApp", "Next", w.group)
			load := converse(w.receiver, 4)
			load.onTickets = w.customersTexts
			load.more(20)
			replace(w, before, w.issue("ticket.agent"), load)
			load.more(20)
			load.finish()
			if dead := w.status().DeadLetters; dead != 0 {
				t.Errorf("%d calls were given up", dead)
			}
			if got := w.zammad.Tickets()[0].Articles; got[0].CreatedByID == w.bot || got[len(got)-1].CreatedByID != w.bot {
				t.Errorf("the articles are of %d and %d, the new token's user is %d", got[0].CreatedByID, got[len(got)-1].CreatedByID, w.bot)
			}
		})
	}
}

// customersTexts lists what customers wrote, on all tickets.
func (w *zammadReceiver) customersTexts() (texts []string) {
	for _, ticket := range w.zammad.Tickets() {
		for _, a := range ticket.Articles {
			if a.Sender == "Customer" {
				texts = append(texts, a.Body)
			}
		}
	}
	return texts
}
