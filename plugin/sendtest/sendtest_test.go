package sendtest_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/sendtest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

func TestTheWebhookIsOneOfMeta(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	channel := &v1alpha1.WhatsAppChannel{}
	if err := sendtest.Ready(channel); err == nil {
		t.Error("a channel without a number is ready for a test")
	}
	channel.Spec.BusinessAccountID = "102290129340398"
	channel.Status.PhoneNumber = &v1alpha1.PhoneNumberStatus{ID: "106540352242922", DisplayPhoneNumber: "+1 631-555-1111"}
	body, err := sendtest.Webhook(channel, "wamid.1", "Hi", now)
	if err != nil {
		t.Fatal(err)
	}
	p, err := webhook.Parse(body)
	if err != nil || len(p.Broken) > 0 {
		t.Fatalf("parse: %v, %v", err, p.Broken)
	}
	value := p.Entries[0].Changes[0].Value
	m := value.Messages[0]
	contact, _ := value.ContactOf(m)
	if p.Entries[0].BusinessAccountID != "102290129340398" || value.Metadata.PhoneNumberID != "106540352242922" ||
		m.ID != "wamid.1" || m.Text == nil || m.Text.Body != "Hi" || !m.Timestamp.Equal(now) || contact.Name != sendtest.CustomerName {
		t.Errorf("the webhook says %s", body)
	}
}

// stuckAt is the step at which a test got stuck, and why; empty if it did not.
func stuckAt(err error) (step, why string) {
	var stuck *sendtest.StuckError
	if errors.As(err, &stuck) {
		return stuck.Step, stuck.Why
	}
	return "", ""
}

func TestWhereAMessageGetsStuckOnTheWay(t *testing.T) {
	status := 0
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(webhook.SignatureHeader) != webhook.Sign([]byte("{}"), []byte("secret")) {
			t.Error("the webhook is not signed")
		}
		w.WriteHeader(status)
	})
	secure := httptest.NewUnstartedServer(answer)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(answer)
	defer plain.Close()
	trusting := secure.Client()
	trusting.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	otherName := func() *http.Client {
		transport := trusting.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.ServerName = "wa.example.org"
		return &http.Client{Transport: transport}
	}()
	dialling := func(err error) *http.Client {
		return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}}
	}
	for name, tc := range map[string]struct {
		client *http.Client
		url    string
		status int
		step   string
		says   string
	}{
		"stored":              {trusting, secure.URL, 200, "", ""},
		"a wrong secret":      {trusting, secure.URL, 401, "receiver", "app secret"},
		"a wrong path":        {trusting, secure.URL, 404, "callback URL", "rewrites"},
		"a redirect":          {trusting, secure.URL, 301, "callback URL", "does not follow"},
		"not stored":          {trusting, secure.URL, 503, "receiver", "not stored"},
		"something else":      {trusting, secure.URL, 403, "callback URL", "something else answers"},
		"a private authority": {http.DefaultClient, secure.URL, 200, "TLS", "--ca-file"},
		"another name":        {otherName, secure.URL, 200, "TLS", "another name"},
		"no TLS":              {trusting, strings.Replace(plain.URL, "http:", "https:", 1), 200, "TLS", "does not speak TLS"},
		"no name":             {dialling(&net.DNSError{Err: "no such host", Name: "wa.example.com"}), "https://wa.example.com/", 200, "DNS", "add it to DNS"},
		"no connection": {dialling(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), "https://wa.example.com/", 200,
			"connection", "connection refused"},
		"no answer": {dialling(context.DeadlineExceeded), "https://wa.example.com/", 200, "connection", "in time"},
	} {
		status = tc.status
		step, why := stuckAt(sendtest.Post(t.Context(), tc.client, tc.url, []byte("{}"), []byte("secret")))
		if step != tc.step || !strings.Contains(why, tc.says) {
			t.Errorf("%s: stuck at %q: %s; want %q, %q", name, step, why, tc.step, tc.says)
		}
	}
}

func TestHowFarAStoredMessageIs(t *testing.T) {
	running := config.Status{PhoneNumberID: "1"}
	quarantined, held := running, running
	quarantined.Quarantined, held.Held = 1, true
	for name, tc := range map[string]struct {
		message *wire.Message
		now     config.Status
		done    bool
		waits   string
		step    string
	}{
		"not processed":  {nil, running, false, "not processed yet", ""},
		"no number":      {nil, config.Status{}, false, "does not know its phone number", ""},
		"in quarantine":  {nil, quarantined, false, "", "receiver"},
		"on a ticket":    {&wire.Message{State: wire.MessageOnTicket}, running, true, "", ""},
		"on no ticket":   {&wire.Message{State: wire.MessageRecorded}, running, false, "", "receiver"},
		"given up":       {&wire.Message{State: wire.MessageDeadLetter, Error: "refused"}, running, false, "", "helpdesk"},
		"held":           {&wire.Message{State: wire.MessageWaiting}, held, false, "", "helpdesk"},
		"helpdesk down":  {&wire.Message{State: wire.MessageWaiting, Attempts: 2, Error: "no answer"}, running, false, "after 2 attempts: no answer", ""},
		"about to be it": {&wire.Message{State: wire.MessageWaiting}, running, false, "waits for the helpdesk", ""},
	} {
		got := sendtest.Judge(tc.message, running, tc.now)
		step := ""
		if got.Stuck != nil {
			step = got.Stuck.Step
		}
		if got.Done != tc.done || !strings.Contains(got.Waits, tc.waits) || (tc.waits == "") != (got.Waits == "") || step != tc.step {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
