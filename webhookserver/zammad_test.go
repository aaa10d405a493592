package webhookserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

const zammadSecret = "zammad-signs-with-8d1f"

// A customer writes, an agent answers in Zammad and closes the ticket, and nothing that the channel wrote there comes
// back, although the token's user is an agent.
func TestARoundThroughZammad(t *testing.T) {
	r := newReceiver(t)
	zammad := zammadtest.NewServer()
	t.Cleanup(zammad.Close)
	group := zammad.AddGroup("2nd Level")
	emma := zammad.AddAgent("Emma", "Taylor", group)
	bot := zammad.AddAgent("WhatsApp", "Bot", group)
	zammad.MakeAdmin(bot)
	token := zammad.IssueToken(bot, "ticket.agent", "admin.webhook", "admin.trigger")
	r.leaks.Register(token, zammadSecret)
	r.put(config.HelpdeskTokenFile, token)
	r.put(config.HelpdeskSecretFile, zammadSecret)
	r.begin()
	declare := func(c *config.Channel) {
		c.Messages.Goodbye = "Your request is closed."
		c.Helpdesk = &config.Helpdesk{Zammad: &config.Zammad{
			URL: zammad.URL, Events: config.EventsInternal, Installation: "wa.example.com",
			EventsURL: "http://" + r.server.PrivateAddr().String() + config.HelpdeskEventsPath,
		}}
	}
	r.putChannel(declare)
	r.ready()
	r.eventually("Zammad is ready, with its triggers", func() bool {
		s := r.status()
		return s.Helpdesk != nil && s.Helpdesk.Kind == "zammad" && s.Helpdesk.Ready && len(zammad.Triggers()) == 2
	})

	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("a ticket with the message and the welcome", func() bool {
		list := zammad.Tickets()
		return len(list) == 1 && len(list[0].Articles) >= 2
	})
	ticket := zammad.Tickets()[0].ID
	zammad.Agent(emma).Replies(ticket, "Tomorrow.")
	texts := func() (list []string) {
		for _, m := range customer.Received() {
			list = append(list, m.Text)
		}
		return list
	}
	r.eventually("the agent's reply arrives", func() bool { return len(texts()) == 2 })
	zammad.Agent(emma).Closes(ticket)
	r.eventually("the goodbye arrives", func() bool { return len(texts()) == 3 })
	if diff := cmp.Diff([]string{"Thanks for writing.", "Tomorrow.", "Your request is closed."}, texts()); diff != "" {
		t.Errorf("the customer received (-want +got):\n%s", diff)
	}
	customer.Says(r.number.ID, "One more thing")
	r.eventually("a second ticket", func() bool { return len(zammad.Tickets()) == 2 })

	status, _, answer := r.do(http.MethodPost, "http://"+r.server.PrivateAddr().String()+config.HelpdeskEventsPath, nil, []byte(`{"ticket":{"id":1}}`))
	if status == http.StatusOK || strings.Contains(answer, "ticket") {
		t.Errorf("a call without a signature is answered %d %q", status, answer)
	}
	if status, _, _ := r.do(http.MethodPost, r.callback()+config.PublicHelpdeskSuffix, nil, []byte("{}")); status != http.StatusNotFound {
		t.Errorf("the public port answers the helpdesk with %d, although events are internal", status)
	}
}
