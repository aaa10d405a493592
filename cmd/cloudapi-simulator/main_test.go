package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/test/simulator/simulatortest"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

const (
	seedFile = `
apps:
- {id: "670", name: Demo, secret: the-app-secret, callbackURL: https://elsewhere.example/, fields: [messages]}
businessAccounts:
- {id: "102", name: Demo account, subscribedApps: ["670"]}
phoneNumbers:
- {id: "106", businessAccountID: "102", displayPhoneNumber: "+1 631-555-1111", verifiedName: Demo}
tokens:
- {value: EAAtheaccesstoken, appID: "670"}
`
	customerPhone = "4915123456789"
	token         = cloudapi.Token("EAAtheaccesstoken")
)

// program is a running simulator.
type program struct {
	*simulatortest.Program
	client *cloudapi.Client
	http   *http.Client
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	seed := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(seed, []byte(seedFile), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &program{http: &http.Client{Transport: &http.Transport{}}}
	p.Program = simulatortest.Start(t, run, append([]string{"--seed=" + seed}, args...)...)
	client, err := cloudapi.NewClient(cloudapi.Options{BaseURL: "http://" + p.Service})
	if err != nil {
		t.Fatal(err)
	}
	p.client = client
	t.Cleanup(func() {
		p.http.CloseIdleConnections()
		p.client.CloseIdleConnections()
	})
	return p
}

// call makes a call to the control API.
func (p *program) call(t *testing.T, method, path, body string, wantStatus int, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Control+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := p.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != wantStatus {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, response.StatusCode, wantStatus, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
}

// callback is a receiver over TLS with a certificate for example.com. It sends
// what it receives to a channel.
func callback(t *testing.T) (server *httptest.Server, caFile string, received chan webhook.Payload) {
	t.Helper()
	received = make(chan webhook.Payload, 100)
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("hub.challenge"))
			return
		}
		body, _ := io.ReadAll(r.Body)
		if r.Host != "example.com" || !webhook.VerifySignature(r.Header.Get(webhook.SignatureHeader), body, []byte("the-app-secret")) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if payload, err := webhook.Parse(body); err == nil {
			received <- payload
		}
	}))
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(caFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, caFile, received
}

func next(t *testing.T, received chan webhook.Payload) webhook.Value {
	t.Helper()
	select {
	case p := <-received:
		return p.Entries[0].Changes[0].Value
	case <-time.After(time.Minute):
		t.Fatal("no webhook arrived")
		return webhook.Value{}
	}
}

func TestConversationThroughTheProgram(t *testing.T) {
	server, caFile, received := callback(t)
	p := start(t, "--ca-file="+caFile, "--connect-to=example.com:443="+server.Listener.Addr().String())
	ctx := t.Context()
	p.call(t, "GET", "/healthz", "", 200, nil)
	if err := p.client.OverrideCallback(ctx, token, "106", "https://example.com/hook", "the-verify-token"); err != nil {
		t.Fatal(err)
	}

	_, err := p.client.SendMessage(ctx, token, "106", cloudapi.Message{To: customerPhone, Text: &cloudapi.Text{Body: "early"}})
	if cloudapi.ClassOf(err) != cloudapi.ClassWindowClosed {
		t.Errorf("sent before the customer wrote: %v", err)
	}
	var wrote struct{ ID string }
	p.call(t, "POST", "/customers/+"+customerPhone+"/messages", `{"name":"Erika","text":"Hello there"}`, 200, &wrote)
	if value := next(t, received); value.Messages[0].ID != wrote.ID || value.Messages[0].Text.Body != "Hello there" || value.Contacts[0].Name != "Erika" {
		t.Errorf("received %+v", value)
	}
	p.call(t, "POST", "/customers/"+customerPhone+"/messages", `{"to":"106","message":{"type":"reaction","reaction":{"message_id":"x","emoji":"👍"}}}`, 200, nil)
	if value := next(t, received); value.Messages[0].Reaction.Emoji != "👍" {
		t.Errorf("received %+v", value)
	}

	sent, err := p.client.SendMessage(ctx, token, "106", cloudapi.Message{To: customerPhone, Text: &cloudapi.Text{Body: "Hi Erika"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []struct{ ID, Text, PhoneNumberID string }
	p.call(t, "GET", "/customers/"+customerPhone+"/messages", "", 200, &got)
	if len(got) != 1 || got[0].Text != "Hi Erika" || got[0].ID != sent.ID || got[0].PhoneNumberID != "106" {
		t.Errorf("the customer got %+v", got)
	}
	p.call(t, "POST", "/messages/"+url.PathEscape(sent.ID)+"/statuses", `{"status":"read"}`, 200, nil)
	p.call(t, "POST", "/messages/"+url.PathEscape(sent.ID)+"/statuses", `{"code":131026}`, 200, nil)
	for _, want := range []string{"sent", "delivered", "read", "failed"} {
		if value := next(t, received); value.Statuses[0].Status != want {
			t.Errorf("status %q, want %q", value.Statuses[0].Status, want)
		}
	}
	var status struct{ Status int }
	p.call(t, "POST", "/phone-numbers/106/webhooks", `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"x","value":{}}]}]}`, 200, &status)
	if status.Status != 200 || len(received) != 1 {
		t.Errorf("the posted body got status %d", status.Status)
	}
	var deliveries []struct {
		State    string
		Attempts []struct{ Status int }
	}
	p.call(t, "GET", "/deliveries", "", 200, &deliveries)
	if len(deliveries) != 6 || deliveries[0].State != "accepted" || deliveries[0].Attempts[0].Status != 200 {
		t.Errorf("deliveries %+v", deliveries)
	}

	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	log := p.Logs.String()
	if !strings.Contains(log, "Listening.") || !strings.Contains(log, "POST /{phone-number}/messages") {
		t.Errorf("the log lacks what happened:\n%s", log)
	}
	for _, secret := range []string{"the-app-secret", string(token), "the-verify-token", customerPhone, "Erika", "Hello", wrote.ID, sent.ID} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	for line := range strings.Lines(log) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a JSON line: %s", line)
		}
	}
}

func TestFailuresAndTokensByControlAPI(t *testing.T) {
	p := start(t)
	list := func() cloudapi.Class {
		_, err := p.client.PhoneNumbers(t.Context(), token, "102")
		return cloudapi.ClassOf(err)
	}
	p.call(t, "POST", "/failures", `{"endpoint":"GET /{business-account}/phone_numbers","code":80007,"times":1}`, 200, nil)
	if got := list(); got != cloudapi.ClassThrottled {
		t.Errorf("class %q", got)
	}
	p.call(t, "POST", "/failures", `{"httpStatus":502}`, 200, nil)
	if got := list(); got != cloudapi.ClassTransient {
		t.Errorf("class %q", got)
	}
	p.call(t, "DELETE", "/failures", "", 200, nil)
	if got := list(); got != cloudapi.ClassNone {
		t.Errorf("class %q", got)
	}
	p.call(t, "POST", "/tokens/revoke", `{"value":"EAAtheaccesstoken"}`, 200, nil)
	if got := list(); got != cloudapi.ClassInvalidToken {
		t.Errorf("class %q", got)
	}
	p.call(t, "POST", "/tokens", `{"value":"EAAtheaccesstoken","appID":"670"}`, 200, nil)
	if got := list(); got != cloudapi.ClassNone {
		t.Errorf("class %q", got)
	}
	p.call(t, "PUT", "/phone-numbers/106/override", `{"appID":"670","url":"https://foreign.example/"}`, 200, nil)
	configuration, err := p.client.WebhookConfiguration(t.Context(), token, "106")
	if err != nil || configuration.PhoneNumber != "https://foreign.example/" {
		t.Errorf("configuration %+v, %v", configuration, err)
	}
	var requests []struct{ Status, Code int }
	p.call(t, "GET", "/requests?endpoint="+url.QueryEscape("GET /{business-account}/phone_numbers"), "", 200, &requests)
	if len(requests) != 5 || requests[0].Code != 80007 || requests[1].Status != 502 {
		t.Errorf("requests %+v", requests)
	}
}

func TestHeldUpdatesAreReleasedInBatches(t *testing.T) {
	server, caFile, received := callback(t)
	p := start(t, "--ca-file="+caFile, "--connect-to=example.com:443="+server.Listener.Addr().String())
	p.call(t, "PUT", "/phone-numbers/106/override", `{"appID":"670","url":"https://example.com/hook"}`, 200, nil)
	p.call(t, "PUT", "/delivery-mode", `{"batchSize":10,"duplicates":1,"reverse":true}`, 200, nil)
	p.call(t, "POST", "/updates/hold", "", 200, nil)
	for i := range 3 {
		p.call(t, "POST", "/customers/"+customerPhone+"/messages", fmt.Sprintf(`{"text":"%d"}`, i), 200, nil)
	}
	p.call(t, "POST", "/updates/release", "", 200, nil)
	for range 2 {
		value := <-received
		var order strings.Builder
		for _, change := range value.Entries[0].Changes {
			order.WriteString(change.Value.Messages[0].Text.Body)
		}
		if order.String() != "210" {
			t.Errorf("order %s", order.String())
		}
	}
}

func TestGraphAPIOverTLS(t *testing.T) {
	server, caFile, _ := callback(t)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--tls-cert-file="+caFile, "--tls-key-file="+keyFile)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client, err := cloudapi.NewClient(cloudapi.Options{BaseURL: "https://" + p.Service, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	if _, err := client.DebugToken(t.Context(), token); err != nil {
		t.Error(err)
	}
}

func TestControlRefusesBadCalls(t *testing.T) {
	p := start(t)
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/customers/49151/messages", `{"text":"x"}`, 400},
		{"POST", "/customers/4915123456789/messages", `{"text":"x","to":"999"}`, 404},
		{"POST", "/customers/4915123456789/messages", `{}`, 400},
		{"POST", "/customers/4915123456789/messages", `{"txt":"x"}`, 400},
		{"POST", "/customers/4915123456789/messages", `text`, 400},
		{"POST", "/messages/wamid.x/statuses", `{"status":"read"}`, 404},
		{"POST", "/phone-numbers/999/webhooks", `{}`, 404},
		{"PUT", "/phone-numbers/106/override", `{"url":"x"}`, 400},
		{"POST", "/failures", `{}`, 400},
		{"POST", "/failures", `{"code":4,"endpoint":"GET /x"}`, 400},
		{"POST", "/failures", `{"httpStatus":99}`, 400},
		{"POST", "/tokens", `{"appID":"1"}`, 404},
		{"POST", "/tokens/revoke", `{"value":"EAAx"}`, 404},
		{"PUT", "/delivery-mode", `{"duplicates":-1}`, 400},
	} {
		var answer struct{ Error string }
		p.call(t, test.method, test.path, test.body, test.status, &answer)
		if answer.Error == "" {
			t.Errorf("%s %s: no reason given", test.method, test.path)
		}
	}
}

func TestBadFlagsAndSeeds(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) string {
		path := filepath.Join(dir, fmt.Sprintf("%d.yaml", len(content)))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for want, args := range map[string][]string{
		"unexpected argument":      {"serve"},
		"belong together":          {"--tls-cert-file=x"},
		"host:port=host:port":      {"--connect-to=a:1"},
		"not a duration":           {"--retries=1s,soon"},
		"--seed":                   {"--seed=" + filepath.Join(dir, "none")},
		`unknown field "secrte"`:   {"--seed=" + file(`apps: [{id: "1", secrte: x}]`)},
		`there is no app "9"`:      {"--seed=" + file(`tokens: [{value: EAAx, appID: "9"}]`)},
		`no business account "8"`:  {"--seed=" + file(`phoneNumbers: [{id: "1", businessAccountID: "8"}]`)},
		"phoneNumbers[0] has no":   {"--seed=" + file(`phoneNumbers: [{businessAccountID: "8"}]`)},
		"there is no certificate":  {"--ca-file=" + file("not a certificate")},
		"--listen":                 {"--listen=256.0.0.1:1"},
		"--control-listen":         {"--listen=127.0.0.1:0", "--control-listen=256.0.0.1:1"},
		"provided but not defined": {"--unknown"},
	} {
		err := run(t.Context(), args, io.Discard, func(string, string) { t.Errorf("%v: it serves", args) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v does not say %q", args, err, want)
		}
	}
}

// Every call of the control API is in the documentation and in -h.
func TestControlAPIIsDocumented(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(source), "\npackage main")
	var help bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, &help, nil); err == nil {
		t.Error("-h serves")
	}
	for _, route := range (&control{}).routes() {
		method, path, _ := strings.Cut(route.Pattern, " ")
		if !strings.Contains(comment, path) || !strings.Contains(comment, method) {
			t.Errorf("%s is not in the package's documentation", route.Pattern)
		}
		if !strings.Contains(help.String(), route.Pattern) {
			t.Errorf("%s is not in -h", route.Pattern)
		}
	}
}
