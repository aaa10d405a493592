package webhookserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

const (
	zammadSecret = "zammad-signs-with-8d1f"
	zammadGroup  = "2nd Level"
)

// zammadReceiver is a running receiver between Meta and Zammad, both simulated. The token's user is an agent.
type zammadReceiver struct {
	*receiver
	zammad   *zammadtest.Server
	group    int
	emma     zammadtest.Agent
	bot      int
	customer *cloudapitest.Customer
	// clock is the receiver's and Zammad's, ahead of Meta's as far as it was turned; nil for the system's.
	clock *clocktest.Fake
}

// withZammad starts a receiver with Zammad behind it, and waits until that is ready.
func withZammad(t *testing.T, c *clocktest.Fake) *zammadReceiver {
	t.Helper()
	w := &zammadReceiver{receiver: newReceiver(t), clock: c}
	if c == nil {
		w.zammad = zammadtest.NewServer()
	} else {
		w.zammad, w.receiver.clock = zammadtest.NewServer(zammadtest.WithClock(c)), c
	}
	t.Cleanup(w.zammad.Close)
	w.group = w.zammad.AddGroup(zammadGroup)
	w.emma = w.zammad.Agent(w.zammad.AddAgent("Emma", "Taylor", w.group))
	w.bot = w.zammad.AddAgent("WhatsApp", "Bot", w.group)
	w.zammad.MakeAdmin(w.bot)
	w.customer = w.meta.Customer(customerPhone, customerName)
	w.leaks.Register(zammadSecret)
	w.put(config.HelpdeskSecretFile, zammadSecret)
	w.putToken(w.issue("ticket.agent", "admin.webhook", "admin.trigger"))
	w.begin()
	w.declare(func(*config.Channel) {})
	w.ready()
	w.eventually("Zammad is ready, with its triggers", func() bool { return w.reason() == "Ready" && len(w.zammad.Triggers()) == 2 })
	return w
}

// issue makes a token of the channel's own user.
func (w *zammadReceiver) issue(permissions ...string) string {
	token := w.zammad.IssueToken(w.bot, permissions...)
	w.leaks.Register(token)
	return token
}

// putToken has the receiver use a token.
func (w *zammadReceiver) putToken(token string) {
	w.t.Helper()
	w.put(config.HelpdeskTokenFile, token)
}

// declare changes the channel's declaration.
func (w *zammadReceiver) declare(change func(*config.Channel)) {
	w.t.Helper()
	w.putChannel(func(c *config.Channel) {
		c.Messages.Goodbye = "Your request is closed."
		c.Helpdesk = &config.Helpdesk{Zammad: &config.Zammad{
			URL: w.zammad.URL, Events: config.EventsInternal, Installation: "wa.example.com", EventsURL: w.doorbell(),
		}}
		change(c)
	})
}

func (w *zammadReceiver) doorbell() string {
	return "http://" + w.server.PrivateAddr().String() + config.HelpdeskEventsPath
}

// reason is that of the helpdesk's state.
func (w *zammadReceiver) reason() string {
	w.t.Helper()
	s := w.status().Helpdesk
	if s == nil {
		return ""
	}
	return s.Reason
}

// open has the customer write, and returns the ticket that comes of it, with the welcome on it.
func (w *zammadReceiver) open() int {
	w.t.Helper()
	w.customer.Says(w.number.ID, customerText)
	w.eventually("a ticket with the message and the welcome", func() bool {
		list := w.zammad.Tickets()
		return len(list) == 1 && len(list[0].Articles) == 2 && len(w.received()) == 1
	})
	return w.zammad.Tickets()[0].ID
}

// received is what the customer was sent.
func (w *zammadReceiver) received() (list []string) {
	for _, m := range w.customer.Received() {
		list = append(list, m.Text)
	}
	return list
}

// wantReceived checks what the customer was sent, after everything that is under way has come to an end.
func (w *zammadReceiver) wantReceived(texts ...string) {
	w.t.Helper()
	if err := w.zammad.Settle(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.eventually("rest", func() bool { s := w.status(); return s.Backlog == 0 && s.PendingEffects == 0 })
	if diff := cmp.Diff(texts, w.received()); diff != "" {
		w.t.Errorf("the customer received (-want +got):\n%s", diff)
	}
}

// told tells whether a ticket has an internal note that says something.
func (w *zammadReceiver) told(ticket int, what string) bool {
	seen, _ := w.zammad.Ticket(ticket)
	return slices.ContainsFunc(seen.Articles, func(a zammadtest.Article) bool { return a.Internal && strings.Contains(a.Body, what) })
}

// A customer writes, an agent answers in Zammad and closes the ticket, and nothing that the channel wrote there comes
// back, although the token's user is an agent.
func TestARoundThroughZammad(t *testing.T) {
	w := withZammad(t, nil)
	ticket := w.open()
	w.emma.Replies(ticket, "Tomorrow.")
	w.eventually("the agent's reply arrives", func() bool { return len(w.received()) == 2 })
	w.emma.Closes(ticket)
	w.eventually("the goodbye arrives", func() bool { return len(w.received()) == 3 })
	w.wantReceived("Thanks for writing.", "Tomorrow.", "Your request is closed.")
	w.customer.Says(w.number.ID, "One more thing")
	w.eventually("a second ticket", func() bool { return len(w.zammad.Tickets()) == 2 })
	if status, _, _ := w.do(http.MethodPost, w.callback()+config.PublicHelpdeskSuffix, nil, []byte("{}")); status != http.StatusNotFound {
		t.Errorf("the public port answers the helpdesk with %d, although events are internal", status)
	}
}

// With public events, Zammad calls through the callback's host name, and the private port takes no calls. The clock
// stands, so that no look of the receiver's own finds the reply.
func TestZammadMayCallThroughTheCallbacksHost(t *testing.T) {
	w := withZammad(t, stoppedClock())
	ticket := w.open()
	public := w.callback() + config.PublicHelpdeskSuffix
	w.declare(func(c *config.Channel) {
		c.Helpdesk.Zammad.Events, c.Helpdesk.Zammad.EventsURL = config.EventsPublic, public
	})
	w.eventually("the webhook's new address", func() bool {
		hooks := w.zammad.Webhooks()
		if len(hooks) != 1 {
			return false
		}
		verifies, _ := hooks[0].Fields["ssl_verify"].(bool)
		return verifies && hooks[0].Fields["endpoint"] == public
	})
	w.emma.Replies(ticket, "Tomorrow.")
	w.eventually("the agent's reply arrives", func() bool { return len(w.received()) == 2 })
	if status, _, _ := w.do(http.MethodPost, public, nil, []byte(`{"ticket":{"id":1}}`)); status != http.StatusUnauthorized {
		t.Errorf("a call without a signature is answered %d", status)
	}
	if status := w.ring(`{"ticket":{"id":1}}`, zammadSecret, "d"); status != http.StatusUnauthorized {
		t.Errorf("the private port answers the helpdesk with %d", status)
	}
}
