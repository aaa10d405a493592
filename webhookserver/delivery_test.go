package webhookserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

func TestWhileDeliveryIsHeldEverythingIsStoredAndNothingSent(t *testing.T) {
	r := newReceiver(t)
	r.putChannel(func(c *config.Channel) { c.Delivery = config.Held })
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, "one")
	customer.Says(r.number.ID, "two")
	customer.Says(r.number.ID, "three")
	r.eventually("what comes in is processed", func() bool {
		s := r.status()
		// The ticket, the welcome and its article, and two articles.
		return s.Held && s.Backlog == 0 && s.PendingEffects == 5
	})
	if got := len(r.tickets()); got != 0 {
		t.Errorf("the helpdesk has %d tickets", got)
	}
	if got := customer.Received(); len(got) != 0 {
		t.Errorf("the customer was sent %d messages", len(got))
	}

	// A restart does not let anything go.
	r.stop()
	r.start()
	if s := r.status(); !s.Held || s.PendingEffects != 5 {
		t.Errorf("after a restart: %+v", s)
	}

	r.putChannel(func(*config.Channel) {})
	r.eventually("everything goes", func() bool { s := r.status(); return !s.Held && s.PendingEffects == 0 })
	var texts []string
	for _, a := range r.ticket(1).Articles {
		texts = append(texts, a.Author+": "+a.Text)
	}
	if diff := cmp.Diff([]string{"customer: one", "channel: Thanks for writing.", "customer: two", "customer: three"}, texts); diff != "" {
		t.Errorf("the ticket (-want +got):\n%s", diff)
	}
	if got := customer.Received(); len(got) != 1 {
		t.Errorf("the customer was sent %d messages", len(got))
	}
}

func TestAMisroutedWebhookIsCountedAndCanBePutInWhereItBelongs(t *testing.T) {
	r := newReceiver(t)
	r.start()
	body := strings.ReplaceAll(
		`{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"NUMBER"},`+
			`"messages":[{"id":"wamid.1","from":"`+customerPhone+`","timestamp":"1700000000","type":"text","text":{"body":"x"}}]}}]}]}`, "NUMBER", "999")
	if status := r.post([]byte(body)); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	r.eventually("it is counted", func() bool { return r.status().Misrouted == 1 })
	var list struct{ Quarantined []wire.Quarantined }
	r.api(http.MethodGet, "/v1/quarantine", "", "", &list)
	if len(list.Quarantined) != 1 || list.Quarantined[0].Reason != "other-number" {
		t.Fatalf("in quarantine: %d", len(list.Quarantined))
	}
	if len(r.tickets()) != 0 {
		t.Error("another number's message became a ticket")
	}
	// Replayed while the number is another one, it comes back.
	r.api(http.MethodPost, "/v1/quarantine/1/replay", "", "", nil)
	r.eventually("it is back", func() bool { s := r.status(); return s.Misrouted == 1 && s.Backlog == 0 })

	// In the channel of the number it is for, it becomes a ticket.
	own := strings.ReplaceAll(list.Quarantined[0].Body, `"999"`, `"`+r.number.ID+`"`)
	if status := r.api(http.MethodPost, "/v1/webhooks", "", own, nil); status != http.StatusOK {
		t.Fatalf("put in by hand: status %d", status)
	}
	r.eventually("a ticket", func() bool { return len(r.tickets()) == 1 })
}

func TestAGoodbyeIsSaidWhenATicketIsClosed(t *testing.T) {
	r := newReceiver(t)
	r.putChannel(func(c *config.Channel) { c.Messages = config.Messages{Goodbye: "Bye."} })
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("a ticket", func() bool { return len(r.tickets()) == 1 })
	for range 2 {
		if status := r.api(http.MethodPost, "/v1/tickets/1/close", "", "", nil); status != http.StatusOK {
			t.Fatalf("close: status %d", status)
		}
	}
	r.eventually("the goodbye", func() bool { s := r.status(); return s.PendingEffects == 0 && len(customer.Received()) == 1 })
	if got := customer.Received()[0].Text; got != "Bye." {
		t.Errorf("the customer reads %q", got)
	}
}
