package cloudapitest_test

import (
	"context"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

const verifyToken = "verify-token-of-the-test"

// receiver is a callback URL over TLS that verifies what it is sent.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	secret   string
	payloads []webhook.Payload
	bodies   [][]byte
	// status answers the next webhooks, 200 where it is empty.
	status     []int
	handshakes int
	handshake  func(http.ResponseWriter, *http.Request)
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodGet {
			r.challenge(w, request)
			return
		}
		r.receive(t, w, request)
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) challenge(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.handshakes++
	instead := r.handshake
	r.mu.Unlock()
	query := request.URL.Query()
	switch {
	case instead != nil:
		instead(w, request)
	case query.Get("hub.mode") != "subscribe" || query.Get("hub.verify_token") != verifyToken:
		w.WriteHeader(http.StatusForbidden)
	default:
		_, _ = io.WriteString(w, query.Get("hub.challenge"))
	}
}

func (r *receiver) receive(t *testing.T, w http.ResponseWriter, request *http.Request) {
	t.Helper()
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !webhook.VerifySignature(request.Header.Get(webhook.SignatureHeader), body, []byte(r.secret)) {
		t.Error("a webhook has a wrong signature")
	}
	payload, err := webhook.Parse(body)
	if err != nil || len(payload.Broken) > 0 {
		t.Errorf("a webhook cannot be read: %v %v", err, payload.Broken)
	}
	status := http.StatusOK
	if len(r.status) > 0 {
		status, r.status = r.status[0], r.status[1:]
	}
	if status == http.StatusOK {
		r.payloads, r.bodies = append(r.payloads, payload), append(r.bodies, body)
	}
	w.WriteHeader(status)
}

// messages returns the messages received, in order.
func (r *receiver) messages() []webhook.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []webhook.Message
	for _, p := range r.payloads {
		for _, entry := range p.Entries {
			for _, change := range entry.Changes {
				all = append(all, change.Value.Messages...)
			}
		}
	}
	return all
}

func (r *receiver) statuses() []webhook.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []webhook.Status
	for _, p := range r.payloads {
		for _, entry := range p.Entries {
			for _, change := range entry.Changes {
				all = append(all, change.Value.Statuses...)
			}
		}
	}
	return all
}

// world is a simulator with one app, account and number, and a client.
type world struct {
	*cloudapitest.Server
	client   *cloudapi.Client
	clock    *clocktesting.FakeClock
	receiver *receiver
	app      cloudapi.App
	account  string
	number   string
	token    cloudapi.Token
}

func newWorld(t *testing.T, options ...cloudapitest.Option) *world {
	t.Helper()
	w := &world{
		clock:    clocktesting.NewFakeClock(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)),
		receiver: newReceiver(t),
	}
	roots := x509.NewCertPool()
	roots.AddCert(w.receiver.Certificate())
	w.Server = cloudapitest.NewServer(append([]cloudapitest.Option{cloudapitest.WithClock(w.clock), cloudapitest.WithRootCAs(roots)}, options...)...)
	t.Cleanup(w.Close)
	app := w.AddApp(cloudapitest.App{Name: "Test app"})
	w.app = cloudapi.App{ID: app.ID, Secret: cloudapi.Token(app.Secret)}
	w.receiver.secret = app.Secret
	w.account = w.AddBusinessAccount(cloudapitest.BusinessAccount{}).ID
	w.number = w.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: w.account, DisplayPhoneNumber: "+1 631-555-1111"}).ID
	w.token = cloudapi.Token(w.IssueToken(cloudapitest.Token{AppID: app.ID}))
	client, err := cloudapi.NewClient(cloudapi.Options{BaseURL: w.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	w.client = client
	return w
}

// connect makes the receiver the callback URL of the number.
func (w *world) connect(t *testing.T) {
	t.Helper()
	w.SubscribeApp(w.app.ID, "https://elsewhere.example/webhook")
	must(t, w.client.SubscribeApp(t.Context(), w.token, w.account))
	must(t, w.client.OverrideCallback(t.Context(), w.token, w.number, w.receiver.URL+"/hook", verifyToken))
}

func (w *world) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, w.Settle(ctx))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantClass(t *testing.T, what string, err error, want cloudapi.Class) {
	t.Helper()
	if got := cloudapi.ClassOf(err); got != want {
		t.Errorf("%s: class %q, want %q (%v)", what, got, want, err)
	}
}
