package webhookserver_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

func TestAMessageBecomesATicketAndTheReplyArrives(t *testing.T) {
	r := newReceiver(t)
	r.start()
	customer := r.meta.Customer("+49 151 23456789", customerName)
	customer.Says(r.number.ID, customerText)

	r.eventually("a ticket with the welcome delivered", func() bool {
		list := r.tickets()
		return len(list) == 1 && cmp.Equal(articles(r.ticket(list[0].ID)), []string{
			"customer: " + customerText, "channel: Thanks for writing. [delivered]",
		})
	})
	ticket := r.ticket(1)
	if ticket.Group != "2nd Level" || ticket.State != "open" || ticket.Title != customerName+" (+4915123456789) via WhatsApp" {
		t.Errorf("ticket: %+v", ticket)
	}
	if ticket.WindowEndsAt == nil {
		t.Error("the ticket does not say until when it can be answered")
	}
	if status := r.reply(1, "first", agentText); status != http.StatusOK {
		t.Fatalf("reply: status %d", status)
	}
	if status := r.reply(1, "first", agentText); status != http.StatusOK {
		t.Fatalf("the same reply again: status %d", status)
	}
	r.eventually("the reply delivered", func() bool {
		return cmp.Equal(articles(r.ticket(1)), []string{
			"customer: " + customerText, "channel: Thanks for writing. [delivered]", "agent: " + agentText + " [delivered]",
		})
	})
	var received []string
	for _, m := range customer.Received() {
		received = append(received, m.Text)
	}
	if diff := cmp.Diff([]string{"Thanks for writing.", agentText}, received); diff != "" {
		t.Errorf("the customer received (-want +got):\n%s", diff)
	}
	for _, request := range r.meta.Requests() {
		if !strings.HasPrefix(request.UserAgent, "whatsapp-operator/") || request.TokenInURL {
			t.Errorf("a request named itself %q, token in the URL: %v", request.UserAgent, request.TokenInURL)
		}
	}

	if status := r.api(http.MethodPost, "/v1/tickets/1/close", "", "", nil); status != http.StatusOK {
		t.Fatalf("close: status %d", status)
	}
	customer.Says(r.number.ID, "One more thing")
	r.eventually("a second ticket", func() bool { return len(r.tickets()) == 2 })
	if r.ticket(1).State != "closed" || r.ticket(2).Conversation != ticket.Conversation {
		t.Error("the second ticket is not that of the same conversation, after a closed one")
	}
}

func TestRepliesKeepTheirOrder(t *testing.T) {
	r := newReceiver(t)
	r.putChannel(func(c *config.Channel) { c.Messages.Welcome = "" })
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("a ticket", func() bool { return len(r.tickets()) == 1 })
	var want []string
	for _, text := range []string{"one", "two", "three", "four", "five"} {
		want = append(want, text)
		r.reply(1, text, text)
	}
	long := strings.Repeat("word ", 1000)
	r.reply(1, "long", long)
	want = append(want, strings.TrimSpace(strings.Repeat("word ", 819)), strings.TrimSpace(strings.Repeat("word ", 181)))
	r.eventually("all replies", func() bool { return len(customer.Received()) == len(want) })
	for i, m := range customer.Received() {
		if m.Text != want[i] {
			t.Errorf("message %d is %.20q…, want %.20q…", i, m.Text, want[i])
		}
	}
}

func TestAFailureIsToldWithMetasReason(t *testing.T) {
	r := newReceiver(t)
	r.putChannel(func(c *config.Channel) { c.Messages.Welcome = "" })
	r.meta.SetStatuses()
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("a ticket", func() bool { return len(r.tickets()) == 1 })
	r.reply(1, "k", agentText)
	r.eventually("the reply", func() bool { return len(customer.Received()) == 1 })
	id := customer.Received()[0].ID
	r.meta.ReportFailure(id, 131026)
	r.meta.ReportStatus(id, webhook.StatusSent)
	r.eventually("the failure on the ticket", func() bool {
		d := r.ticket(1).Articles[1].Delivery
		return d.State == "failed" && strings.Contains(d.Reason, "131026")
	})
}

func TestADeadTokenHoldsMessagesUntilItIsReplaced(t *testing.T) {
	r := newReceiver(t)
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	r.meta.RevokeToken(r.token)
	customer.Says(r.number.ID, customerText)
	r.eventually("the reason in the status", func() bool { return r.status().SendingError != "" })
	r.eventually("the ticket, which WhatsApp must not hold up", func() bool { return len(r.tickets()) == 1 })
	r.put(config.AccessTokenFile, r.meta.IssueToken(cloudapitest.Token{AppID: r.app.ID}))
	r.eventually("the welcome", func() bool { return len(customer.Received()) == 1 })
	r.eventually("the status is good again", func() bool {
		s := r.status()
		return s.SendingError == "" && s.PendingEffects == 0 && s.DeadLetters == 0
	})
}

// WhatsApp accepts the messages of an account that is blocked or does not pay, and only their statuses say that they
// never arrive.
func TestAFailureThatOthersWouldMeetHoldsThemBack(t *testing.T) {
	r := newReceiver(t)
	r.meta.SetStatuses()
	turned := clocktest.New(time.Now())
	r.clock = turned
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("the welcome", func() bool { return len(customer.Received()) == 1 })
	r.meta.ReportFailure(customer.Received()[0].ID, 131042)
	r.eventually("the reason in the status", func() bool { return strings.Contains(r.status().SendingError, "Put the payment method") })
	r.reply(1, "k", agentText)
	r.eventually("the reply waits", func() bool { s := r.status(); return s.Backlog == 0 && s.PendingEffects == 1 })
	if got := len(customer.Received()); got != 1 {
		t.Errorf("%d messages were sent", got)
	}
	turned.Advance(15 * time.Minute)
	r.eventually("the reply, by way of trial", func() bool { return len(customer.Received()) == 2 })
	r.meta.ReportStatus(customer.Received()[1].ID, webhook.StatusSent)
	r.eventually("the status is good again", func() bool { return r.status().SendingError == "" })
}

func TestBadRequestsAreTurnedAway(t *testing.T) {
	r := newReceiver(t)
	r.start()
	signed := func(body []byte) map[string]string {
		return map[string]string{webhook.SignatureHeader: webhook.Sign(body, []byte(appSecret))}
	}
	large := bytes.Repeat([]byte("x"), 4<<20)
	// Whoever sends it without being asked for it may see the connection end before the answer.
	asks := signed(large)
	asks["Expect"] = "100-continue"
	small := []byte(`{"object":"whatsapp_business_account","entry":[]}`)
	for name, tc := range map[string]struct {
		method, query string
		headers       map[string]string
		body          []byte
		want          int
	}{
		"a body of 4 MiB":      {http.MethodPost, "", asks, large, http.StatusRequestEntityTooLarge},
		"a bad signature":      {http.MethodPost, "", map[string]string{webhook.SignatureHeader: webhook.Sign(small, []byte("other"))}, small, http.StatusUnauthorized},
		"no signature":         {http.MethodPost, "", nil, small, http.StatusUnauthorized},
		"a wrong verify token": {http.MethodGet, "?hub.mode=subscribe&hub.challenge=123&hub.verify_token=wrong", nil, nil, http.StatusForbidden},
		"broken JSON":          {http.MethodPost, "", signed([]byte("{")), []byte("{"), http.StatusOK},
		"another method":       {http.MethodPut, "", nil, nil, http.StatusMethodNotAllowed},
	} {
		if status, _, answer := r.do(tc.method, r.callback()+tc.query, tc.headers, tc.body); status != tc.want || strings.Contains(answer, "123") {
			t.Errorf("%s: status %d %q, want %d", name, status, answer, tc.want)
		}
	}
	if status, _, _ := r.do(http.MethodGet, r.callback()+"/other", nil, nil); status != http.StatusNotFound {
		t.Errorf("another path: status %d", status)
	}
	if status, _, challenge := r.do(http.MethodGet, r.callback()+"?hub.mode=subscribe&hub.challenge=123&hub.verify_token="+verifyToken, nil, nil); status != http.StatusOK || challenge != "123" {
		t.Errorf("handshake: status %d, %q", status, challenge)
	}
	r.eventually("the broken JSON in quarantine", func() bool { s := r.status(); return s.Quarantined == 1 && s.Backlog == 0 })
	if s := r.status(); s.LastHandshakeTime == nil || s.LastWebhookTime == nil {
		t.Errorf("status: %+v", s)
	}
}

func TestSecretsAreRotatedWithoutARestart(t *testing.T) {
	r := newReceiver(t)
	r.start()
	body := []byte(`{"object":"whatsapp_business_account","entry":[]}`)
	try := func(secret string) int {
		status, _, _ := r.do(http.MethodPost, r.callback(), map[string]string{webhook.SignatureHeader: webhook.Sign(body, []byte(secret))}, body)
		return status
	}
	shake := func(token string) int {
		status, _, _ := r.do(http.MethodGet, r.callback()+"?hub.mode=subscribe&hub.challenge=1&hub.verify_token="+token, nil, nil)
		return status
	}
	r.put(config.PreviousAppSecretFile, appSecret)
	r.put(config.AppSecretFile, "new-secret")
	r.put(config.PreviousVerifyTokenFile, verifyToken)
	r.put(config.VerifyTokenFile, "new-token")
	r.eventually("the new values", func() bool { return try("new-secret") == 200 && shake("new-token") == 200 })
	if try(appSecret) != 200 || shake(verifyToken) != 200 {
		t.Error("the previous values are refused during the rotation")
	}
	r.put(config.PreviousAppSecretFile, "")
	r.put(config.PreviousVerifyTokenFile, "")
	r.eventually("the previous values are gone", func() bool { return try(appSecret) == 401 && shake(verifyToken) == 403 })
	// A volume that breaks does not take the channel down.
	r.put(config.AppSecretFile, "")
	r.put(config.ChannelFile, "{")
	r.eventually("the complaint", func() bool { return strings.Contains(r.log.String(), "cannot be used") })
	if try("new-secret") != 200 {
		t.Error("the last good configuration was given up")
	}
}

func TestWebhooksWaitForThePhoneNumber(t *testing.T) {
	r := newReceiver(t)
	r.putChannel(func(c *config.Channel) { c.PhoneNumber = nil })
	r.start()
	r.meta.Customer(customerPhone, customerName).Says(r.number.ID, customerText)
	if err := r.meta.Settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := r.status(); s.Backlog != 1 || s.PhoneNumberID != "" {
		t.Errorf("before the number is known: %+v", s)
	}
	r.putChannel(func(*config.Channel) {})
	r.eventually("the ticket", func() bool { return len(r.tickets()) == 1 })
	r.eventually("the webhook is processed", func() bool {
		s := r.status()
		return s.Backlog == 0 && s.PhoneNumberID == r.number.ID && s.LastMessageTime != nil
	})
}

func TestAStoreOfAnotherNumberIsLeftAlone(t *testing.T) {
	r := newReceiver(t)
	r.start()
	r.stop()
	r.putChannel(func(c *config.Channel) { c.PhoneNumber.ID = "999" })
	r.begin()
	if err := r.wait(); err == nil || !strings.Contains(err.Error(), "another channel") {
		t.Errorf("Run: %v", err)
	}
}

func TestReadinessAndMetrics(t *testing.T) {
	r := newReceiver(t)
	r.put(config.ChannelFile, "{")
	r.begin()
	health := "http://" + r.server.HealthAddr().String()
	private := "http://" + r.server.PrivateAddr().String()
	r.eventually("a complaint", func() bool { return strings.Contains(r.log.String(), "not valid JSON") })
	if status, _, why := r.do(http.MethodGet, health+"/readyz", nil, nil); status != 503 || !strings.Contains(why, "configuration") {
		t.Errorf("before: status %d, %q", status, why)
	}
	if status, header, _ := r.do(http.MethodPost, r.callback(), nil, nil); status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("a webhook before: status %d, %v", status, header)
	}
	if status, _, _ := r.do(http.MethodGet, private+config.StatusPath, nil, nil); status != 503 {
		t.Errorf("the private API before: status %d", status)
	}
	if status, _, _ := r.do(http.MethodGet, health+"/healthz", nil, nil); status != 200 {
		t.Errorf("alive: status %d", status)
	}
	r.putChannel(func(*config.Channel) {})
	<-r.server.Ready()
	defer r.stop()
	if status, _, why := r.do(http.MethodGet, health+"/readyz", nil, nil); status != 200 {
		t.Errorf("after: status %d, %q", status, why)
	}
	if status := r.post([]byte("{")); status != 200 {
		t.Fatalf("webhook: status %d", status)
	}
	r.eventually("the counts", func() bool {
		_, _, text := r.do(http.MethodGet, health+"/metrics", nil, nil)
		return strings.Contains(text, `whatsapp_receiver_requests_total{result="stored"} 1`) &&
			strings.Contains(text, `whatsapp_receiver_quarantined{reason="not-understood"} 1`) &&
			strings.Contains(text, "whatsapp_receiver_inbox_backlog 0") && strings.Contains(text, "go_goroutines")
	})
}
