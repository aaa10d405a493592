package webhookserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/test/leaksink"
	"github.com/whatsapp-operator/whatsapp-operator/test/syncbuffer"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

const (
	appSecret     = "app-secret-5f2c"
	verifyToken   = "verify-token-91aa"
	statusToken   = "status-token-0c3d"
	apiToken      = "api-token-77e1"
	customerPhone = "4915123456789"
	customerName  = "Erika Mustermann"
	customerText  = "Where is my parcel, please?"
	agentText     = "It arrives tomorrow."
	patience      = time.Minute
)

// receiver is a running Server with Meta simulated before it.
type receiver struct {
	t         *testing.T
	meta      *cloudapitest.Server
	app       cloudapitest.App
	account   cloudapitest.BusinessAccount
	number    cloudapitest.PhoneNumber
	token     string
	configDir string
	dataDir   string
	log       *syncbuffer.Buffer
	leaks     *leaksink.Sink
	// wrap, if set, stands between the server and its store.
	wrap       func(store.Store) store.Store
	tlsDir     string
	privateTLS bool
	limits     webhookserver.Limits
	// clock, if set, is the server's.
	clock clock.Clock

	server *webhookserver.Server
	end    context.CancelFunc
	ended  chan error
}

func newReceiver(t *testing.T, options ...cloudapitest.Option) *receiver {
	t.Helper()
	meta := cloudapitest.NewServer(append(options, cloudapitest.WithHTTPCallbacks())...)
	t.Cleanup(meta.Close)
	r := &receiver{t: t, meta: meta, configDir: t.TempDir(), dataDir: t.TempDir(), log: &syncbuffer.Buffer{}, leaks: leaksink.New(t)}
	r.app = meta.AddApp(cloudapitest.App{Secret: appSecret})
	r.account = meta.AddBusinessAccount(cloudapitest.BusinessAccount{})
	r.number = meta.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: r.account.ID, DisplayPhoneNumber: "+1 631-555-1111"})
	r.token = meta.IssueToken(cloudapitest.Token{AppID: r.app.ID})
	r.put(config.AccessTokenFile, r.token)
	r.put(config.AppSecretFile, appSecret+"\n")
	r.put(config.VerifyTokenFile, verifyToken)
	r.put(config.StatusTokenFile, statusToken)
	r.put(config.APITokenFile, apiToken)
	r.putChannel(func(*config.Channel) {})
	r.leaks.Register(appSecret, verifyToken, statusToken, apiToken, r.token, customerPhone, customerName, customerText, agentText)
	// The number's ID names it in Meta's URLs; it is no phone number.
	r.leaks.Allow(r.number.ID, r.account.ID)
	return r
}

func (r *receiver) put(name, value string) {
	r.t.Helper()
	// Replaced at once, as the kubelet does.
	next := filepath.Join(r.configDir, ".next")
	if err := errors.Join(os.WriteFile(next, []byte(value), 0o600), os.Rename(next, filepath.Join(r.configDir, name))); err != nil {
		r.t.Fatal(err)
	}
}

func (r *receiver) putChannel(change func(*config.Channel)) {
	r.t.Helper()
	c := config.Channel{
		Namespace: "helpdesk", Name: "support", BusinessAccountID: r.account.ID,
		PhoneNumber: &config.PhoneNumber{ID: r.number.ID}, TargetGroup: "2nd Level",
		Messages: config.Messages{Welcome: "Thanks for writing."},
		Graph:    config.Graph{BaseURL: r.meta.URL, Version: "v25.0"},
	}
	change(&c)
	data, err := json.Marshal(c)
	if err != nil {
		r.t.Fatal(err)
	}
	r.put(config.ChannelFile, string(data))
}

// begin starts the server, but does not wait until it is ready.
func (r *receiver) begin() {
	r.t.Helper()
	server, err := webhookserver.New(webhookserver.Options{
		ConfigDir: r.configDir, TLSDir: r.tlsDir, PrivateTLS: r.privateTLS, MediaDir: filepath.Join(r.dataDir, "media"), Limits: r.limits,
		PublicAddress: "127.0.0.1:0", PrivateAddress: "127.0.0.1:0", HealthAddress: "127.0.0.1:0", Clock: r.clock,
		Log: slog.New(r.leaks.Handler(slog.NewJSONHandler(r.log, nil))),
		OpenStore: func(ctx context.Context) (store.Store, error) {
			s, err := store.OpenSQLite(ctx, store.SQLiteOptions{Dir: r.dataDir})
			if err != nil || r.wrap == nil {
				return s, err
			}
			return r.wrap(s), nil
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.server, r.end, r.ended = server, cancel, make(chan error, 1)
	go func() { r.ended <- server.Run(ctx) }()
}

func (r *receiver) start() {
	r.t.Helper()
	r.begin()
	r.ready()
}

// ready waits until the server takes webhooks, and has Meta send them.
func (r *receiver) ready() {
	r.t.Helper()
	select {
	case <-r.server.Ready():
	case err := <-r.ended:
		r.t.Fatalf("the server ended: %v", err)
	}
	r.meta.SubscribeApp(r.app.ID, r.callback(), webhook.FieldMessages)
	r.meta.SubscribeAccount(r.account.ID, r.app.ID)
	r.t.Cleanup(r.stop)
}

// stop ends the server as Kubernetes does, and fails the test if that was not clean.
func (r *receiver) stop() {
	r.t.Helper()
	if r.end == nil {
		return
	}
	r.end()
	if err := r.wait(); err != nil {
		r.t.Errorf("the server did not end cleanly: %v", err)
	}
}

// wait waits for the end of the server, and returns why it ended.
func (r *receiver) wait() error {
	r.t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	select {
	case err := <-r.ended:
		r.end()
		r.end = nil
		return err
	case <-time.After(patience):
		r.t.Fatal("the server does not end")
		return nil
	}
}

func (r *receiver) callback() string {
	return "http://" + r.server.PublicAddr().String() + config.CallbackPath("helpdesk", "support")
}

func (r *receiver) do(method, url string, headers map[string]string, body []byte) (int, http.Header, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(answer)
}

// post sends a signed webhook and returns the status it was answered with.
func (r *receiver) post(body []byte) int {
	r.t.Helper()
	status, _, _ := r.do(http.MethodPost, r.callback(), map[string]string{webhook.SignatureHeader: webhook.Sign(body, []byte(appSecret))}, body)
	return status
}

func (r *receiver) api(method, path, key string, body string, into any) int {
	r.t.Helper()
	status, _, answer := r.do(method, "http://"+r.server.PrivateAddr().String()+path,
		map[string]string{"Authorization": "Bearer " + apiToken, wire.IdempotencyKey: key}, []byte(body))
	if into != nil && status == http.StatusOK {
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			r.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return status
}

func (r *receiver) ticket(id int64) (t wire.Ticket) {
	r.t.Helper()
	if status := r.api(http.MethodGet, fmt.Sprintf("/v1/tickets/%d", id), "", "", &t); status != http.StatusOK {
		r.t.Fatalf("ticket %d: status %d", id, status)
	}
	return t
}

func (r *receiver) tickets() []wire.Ticket {
	r.t.Helper()
	var list struct{ Tickets []wire.Ticket }
	if status := r.api(http.MethodGet, "/v1/tickets", "", "", &list); status != http.StatusOK {
		r.t.Fatalf("tickets: status %d", status)
	}
	return list.Tickets
}

func (r *receiver) status() (s config.Status) {
	r.t.Helper()
	if status := r.api(http.MethodGet, config.StatusPath, "", "", &s); status != http.StatusOK {
		r.t.Fatalf("status: %d", status)
	}
	return s
}

func (r *receiver) reply(ticket int64, key, text string) int {
	r.t.Helper()
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.api(http.MethodPost, fmt.Sprintf("/v1/tickets/%d/replies", ticket), key, string(body), nil)
}

// eventually waits for a condition. The time is a bound for a test that fails, not what it measures.
func (r *receiver) eventually(what string, condition func() bool) {
	r.t.Helper()
	gomega.NewWithT(r.t).Eventually(condition).WithTimeout(patience).WithPolling(5*time.Millisecond).Should(gomega.BeTrue(), what)
}

// articles words a ticket as "author: text [delivery]".
func articles(t wire.Ticket) []string {
	var list []string
	for _, a := range t.Articles {
		line := a.Author + ": " + a.Text
		if a.Delivery != nil {
			line += " [" + a.Delivery.State + "]"
		}
		list = append(list, line)
	}
	return list
}
