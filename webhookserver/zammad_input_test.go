package webhookserver_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func stoppedClock() *clocktest.Fake { return clocktest.New(time.Now()) }

// later turns the clock on, second by second, until a condition holds. What is waited for may be minutes away by that clock, and
// each of their seconds takes a moment.
func (w *zammadReceiver) later(what string, condition func() bool) {
	w.t.Helper()
	gomega.NewWithT(w.t).Eventually(func() bool {
		w.clock.Advance(time.Second)
		return condition()
	}).WithTimeout(5*patience).WithPolling(5*time.Millisecond).Should(gomega.BeTrue(), what)
}

func TestAReplyAfterTheWindowIsNotSentAndTheTicketSaysWhy(t *testing.T) {
	w := withZammad(t, stoppedClock())
	ticket := w.open()
	w.clock.Advance(22 * time.Hour)
	w.later("a note that the window closes", func() bool { return w.told(ticket, "The customer service window closes on") })
	w.clock.Advance(2 * time.Hour)
	w.later("a note that it closed", func() bool { return w.told(ticket, "The customer service window closed on") })
	article := w.emma.Replies(ticket, "Too late")
	w.later("a note that the reply was not sent", func() bool {
		return w.told(ticket, fmt.Sprintf("The reply with the article number %d was not sent. The customer service window closed on", article))
	})
	w.wantReceived("Thanks for writing.")
}

func TestRepliesWhileDeliveryIsHeld(t *testing.T) {
	hold := func(t *testing.T) (*zammadReceiver, int) {
		t.Helper()
		w := withZammad(t, stoppedClock())
		ticket := w.open()
		// What is not told on the ticket yet would wait with the replies.
		w.wantReceived("Thanks for writing.")
		w.declare(func(c *config.Channel) { c.Delivery = config.Held })
		w.eventually("held", func() bool { return w.status().Held })
		w.emma.Replies(ticket, "One")
		w.emma.Replies(ticket, "Two")
		w.eventually("both replies wait", func() bool { return w.status().PendingEffects == 2 })
		return w, ticket
	}
	t.Run("are sent afterwards, in order", func(t *testing.T) {
		w, _ := hold(t)
		if got := w.received(); len(got) != 1 {
			t.Errorf("the customer received %q", got)
		}
		w.declare(func(*config.Channel) {})
		w.later("the replies", func() bool { return len(w.received()) == 3 })
		w.wantReceived("Thanks for writing.", "One", "Two")
	})
	t.Run("are not where the window closed meanwhile, and the ticket says so", func(t *testing.T) {
		w, ticket := hold(t)
		w.clock.Advance(25 * time.Hour)
		w.declare(func(*config.Channel) {})
		w.later("a note on each", func() bool {
			seen, _ := w.zammad.Ticket(ticket)
			notes := 0
			for _, a := range seen.Articles {
				if a.Internal && strings.Contains(a.Body, "was not sent. The customer service window closed on") {
					notes++
				}
			}
			return notes == 2
		})
		w.wantReceived("Thanks for writing.")
	})
}

func TestWhatOfAReplyCannotBeSentIsToldOnTheTicket(t *testing.T) {
	w := withZammad(t, nil)
	ticket := w.open()
	w.emma.Writes(ticket, zammadtest.Note{Body: "Please see the file.", Plain: true, Files: []zammadtest.File{
		{Name: "setup.exe", MIMEType: "application/x-msdownload", Content: []byte("MZ program")},
	}})
	w.eventually("a note on the file", func() bool { return w.told(ticket, `The file "setup.exe" was not sent to the customer.`) })
	long := strings.Repeat("word ", 1000)
	w.emma.Replies(ticket, long)
	w.eventually("the long reply, in two messages", func() bool { return len(w.received()) == 4 })
	got := w.received()
	if got[1] != "Please see the file." || len(got[2]) > conversation.MaxText || strings.Fields(got[2] + " " + got[3])[0] != "word" ||
		len(strings.Fields(got[2]+" "+got[3])) != 1000 {
		t.Errorf("the customer received %q", got[1:])
	}
}

func TestAFileThatZammadNeverHandsOutIsToldOnTheTicket(t *testing.T) {
	w := withZammad(t, stoppedClock())
	ticket := w.open()
	w.zammad.Fail(zammadtest.Failure{Endpoint: zammadtest.GetAttachment, Status: http.StatusInternalServerError})
	w.emma.Writes(ticket, zammadtest.Note{Body: "Your bill", Plain: true, Files: []zammadtest.File{
		{Name: "bill.pdf", MIMEType: "application/pdf", Content: []byte("%PDF-1.7")},
	}})
	w.emma.Replies(ticket, "Anything else?")
	w.eventually("a note on the file, and the later reply", func() bool {
		w.clock.Advance(10 * time.Second)
		return w.told(ticket, `The file "bill.pdf" was not sent to the customer. Zammad did not hand it out`) && len(w.received()) == 3
	})
	w.wantReceived("Thanks for writing.", "Your bill", "Anything else?")
}

// What keeps tickets from being opened is told, and what waited for it comes as soon as it is mended.
func TestTicketsWaitUntilZammadIsMended(t *testing.T) {
	for name, tc := range map[string]struct {
		disturb func(w *zammadReceiver)
		reason  string
		mend    func(w *zammadReceiver)
	}{
		"a wrong token": {
			func(w *zammadReceiver) { w.putToken("wrong") }, helpdesk.ReasonTokenRefused,
			func(w *zammadReceiver) { w.putToken(w.issue("ticket.agent", "admin.webhook", "admin.trigger")) },
		},
		"a token without a permission": {
			func(w *zammadReceiver) { w.putToken(w.issue("admin.webhook", "admin.trigger")) }, helpdesk.ReasonPermissionMissing,
			func(w *zammadReceiver) { w.putToken(w.issue("ticket.agent", "admin.webhook", "admin.trigger")) },
		},
		"a group that was removed": {
			func(w *zammadReceiver) { w.zammad.RemoveGroup(w.group) }, helpdesk.ReasonGroupNotFound,
			func(w *zammadReceiver) { w.zammad.SetGroups(w.bot, w.zammad.AddGroup(zammadGroup)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := withZammad(t, stoppedClock())
			tc.disturb(w)
			w.later("the reason is told", func() bool { return w.reason() == tc.reason })
			w.customer.Says(w.number.ID, "one")
			w.customer.Says(w.number.ID, "two")
			w.eventually("the welcome, which does not wait", func() bool { return len(w.received()) == 1 })
			if got := w.zammad.Tickets(); len(got) != 0 {
				t.Fatalf("%d tickets", len(got))
			}
			tc.mend(w)
			w.later("the ticket", func() bool {
				list := w.zammad.Tickets()
				return len(list) == 1 && len(list[0].Articles) == 3 && w.reason() == helpdesk.ReasonReady
			})
			var texts []string
			for _, a := range w.zammad.Tickets()[0].Articles {
				texts = append(texts, a.Body)
			}
			if got := strings.Join(texts, "|"); got != "one|Thanks for writing.|two" {
				t.Errorf("the ticket has %s", got)
			}
		})
	}
}

func TestAfterATicketWasDeletedTheCustomersNextMessageOpensAnother(t *testing.T) {
	w := withZammad(t, nil)
	w.emma.Deletes(w.open())
	w.customer.Says(w.number.ID, "Are you there?")
	w.eventually("another ticket", func() bool { return len(w.zammad.Tickets()) == 1 })
	if got := w.zammad.Tickets()[0].Articles; got[0].Body != "Are you there?" {
		t.Errorf("the ticket has %+v", got)
	}
	w.emma.Replies(w.zammad.Tickets()[0].ID, "Yes.")
	w.eventually("the reply", func() bool { return len(w.received()) >= 2 })
	w.wantReceived("Thanks for writing.", "Yes.")
}

// ring calls the doorbell as Zammad does, and returns the status of the answer.
func (w *zammadReceiver) ring(body, secret, delivery string) int {
	w.t.Helper()
	status, _, answer := w.do(http.MethodPost, w.doorbell(), map[string]string{
		"X-Hub-Signature": zammadtest.Sign([]byte(body), secret), "X-Zammad-Delivery": delivery,
	}, []byte(body))
	if strings.Contains(answer, "ticket") {
		w.t.Errorf("the answer repeats what was said: %s", answer)
	}
	return status
}

// Whoever can reach the private port can say that something happened, but only Zammad's own words count.
func TestCallsOfTheDoorbellThatSayNothing(t *testing.T) {
	w := withZammad(t, nil)
	ticket := w.open()
	foreign := w.emma.Opens(w.group, w.zammad.AddCustomer(zammadtest.Customer{Login: "x"}), "Foreign")
	w.emma.Replies(foreign, "Not for WhatsApp")
	forged := func(id int) string {
		return fmt.Sprintf(`{"ticket":{"id":%d},"article":{"id":99,"sender":"Agent","internal":false,"body":"Forged"}}`, id)
	}
	for _, call := range []struct {
		name, body, secret, delivery string
		want                         int
	}{
		{"a wrong signature", forged(ticket), "wrong", "1", http.StatusUnauthorized},
		{"a ticket of ours", forged(ticket), zammadSecret, "2", http.StatusOK},
		{"the same once more", forged(ticket), zammadSecret, "2", http.StatusOK},
		{"a foreign ticket", forged(foreign), zammadSecret, "3", http.StatusOK},
		{"no ticket", forged(4711), zammadSecret, "4", http.StatusOK},
	} {
		if status := w.ring(call.body, call.secret, call.delivery); status != call.want {
			t.Errorf("%s: status %d, want %d", call.name, status, call.want)
		}
	}
	if status, _, _ := w.do(http.MethodPost, w.doorbell(), nil, []byte(forged(ticket))); status != http.StatusUnauthorized {
		t.Errorf("without a signature: status %d", status)
	}
	w.emma.Replies(ticket, "Real")
	w.eventually("the reply that there is", func() bool { return len(w.received()) >= 2 })
	w.wantReceived("Thanks for writing.", "Real")
}

// halting is a call that sends all of its body but the last byte, or nothing of it.
type halting struct {
	net.Conn
	answer chan *http.Response
}

// halts begins a call with a body of the largest size.
func (w *zammadReceiver) halts(to, header, signature string, sent int) halting {
	w.t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(w.t.Context(), "tcp", target.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	h := halting{Conn: conn, answer: make(chan *http.Response, 1)}
	go func() {
		if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			_ = response.Body.Close()
			h.answer <- response
		}
	}()
	text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s: %s\r\n\r\n", target.Path, target.Host, edge.MaxBody, header, signature)
	// It is cut off where the server does not want it.
	_, _ = conn.Write(append([]byte(text), bytes.Repeat([]byte(" "), sent)...))
	return h
}

// answered tells whether a call was answered with a status.
func (h halting) answered(status int) bool {
	select {
	case response := <-h.answer:
		return response.StatusCode == status && (response.Header.Get("Retry-After") != "") == (status == http.StatusServiceUnavailable)
	default:
		return false
	}
}

// Whoever reaches a port can call, so what is held for callers who have not shown yet who they are is bounded, together with
// what is held for Meta.
func TestBodiesForTheDoorbellAreBounded(t *testing.T) {
	for _, events := range []config.Events{config.EventsPublic, config.EventsInternal} {
		t.Run(string(events), func(t *testing.T) {
			w := withZammad(t, nil)
			bell := w.doorbell()
			if events == config.EventsPublic {
				bell = w.callback() + config.PublicHelpdeskSuffix
			}
			w.declare(func(c *config.Channel) { c.Helpdesk.Zammad.Events, c.Helpdesk.Zammad.EventsURL = events, bell })
			const signature = "X-Hub-Signature"
			call := func(body []byte) int {
				status, _, _ := w.do(http.MethodPost, bell, map[string]string{signature: zammadtest.Sign(body, zammadSecret)}, body)
				return status
			}
			w.eventually("calls are taken", func() bool { return call([]byte("{}")) == http.StatusOK })

			unsigned := w.halts(bell, signature, "", 0)
			w.eventually("a call without a signature is answered before its body came", func() bool { return unsigned.answered(http.StatusUnauthorized) })

			// Five webhooks fit, and so does a call, but not all of them at once.
			calls := []halting{w.halts(bell, signature, zammadtest.Sign(nil, "wrong"), edge.MaxBody-1)}
			for range edge.MaxInFlight / edge.MaxBody {
				calls = append(calls, w.halts(w.callback(), webhook.SignatureHeader, webhook.Sign(nil, []byte("wrong")), edge.MaxBody-1))
			}
			w.eventually("one of them is turned away", func() bool {
				return slices.ContainsFunc(calls, func(h halting) bool { return h.answered(http.StatusServiceUnavailable) })
			})
			for _, c := range calls {
				_ = c.Close()
			}

			large := bytes.Repeat([]byte(" "), edge.MaxBody)
			w.eventually("a large call is taken when they ended", func() bool { return call(large) == http.StatusOK })
			for range edge.MaxInFlight / edge.MaxBody {
				if status := call(large); status != http.StatusOK {
					t.Errorf("one more: status %d", status)
				}
			}
		})
	}
}
