package zammadtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

// world is a simulator with a group, an agent and the agent's token.
type world struct {
	*zammadtest.Server
	t     *testing.T
	clock *clocktest.Fake
	group int
	agent int
	token string
}

func newWorld(t *testing.T, options ...zammadtest.Option) *world {
	t.Helper()
	w := &world{t: t, clock: clocktest.New(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))}
	w.Server = zammadtest.NewServer(append([]zammadtest.Option{zammadtest.WithClock(w.clock)}, options...)...)
	t.Cleanup(w.Close)
	w.group = w.AddGroup("2nd Level")
	w.agent = w.AddAgent("Emma", "Taylor", w.group)
	w.MakeAdmin(w.agent)
	w.token = w.IssueToken(w.agent, "ticket.agent", "admin.webhook", "admin.trigger")
	return w
}

// object is what JSON makes of an object.
type object = map[string]any

// call calls the REST API and returns status and answer.
func (w *world) call(method, path string, body any) (int, any) {
	w.t.Helper()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+"/api/v1"+path, content)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.token != "" {
		request.Header.Set("Authorization", "Token token="+w.token)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var decoded any
	if json.Unmarshal(answer, &decoded) != nil {
		decoded = string(answer)
	}
	return response.StatusCode, decoded
}

// must is call for what has to succeed.
func (w *world) must(method, path string, body any) object {
	w.t.Helper()
	status, answer := w.call(method, path, body)
	if status < 200 || status > 299 {
		w.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	decoded, _ := answer.(object)
	return decoded
}

// search looks for tickets.
func (w *world) search(query string) []any {
	w.t.Helper()
	_, answer := w.call("GET", "/tickets/search?"+query, nil)
	list, _ := answer.([]any)
	return list
}

// refused expects an error's status and text.
func (w *world) refused(method, path string, body any, status int, text string) {
	w.t.Helper()
	got, answer := w.call(method, path, body)
	decoded, _ := answer.(object)
	if words, _ := decoded["error"].(string); got != status || !strings.Contains(words, text) {
		w.t.Errorf("%s %s: %d %v, want %d with %q", method, path, got, answer, status, text)
	}
}

func (w *world) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := w.Settle(ctx); err != nil {
		w.t.Fatal(err)
	}
}

func id(o object) int {
	n, _ := o["id"].(float64)
	return int(n)
}

// aTicket is a request that opens a ticket, with some fields replaced.
func aTicket(changes object) object {
	request := object{
		"title": "A ticket", "group": "2nd Level", "customer": object{"login": "491713920001", "firstname": "Nicole"},
		"article": object{"body": "Hello", "type": "web", "sender": "Customer"},
	}
	maps.Copy(request, changes)
	return request
}

// endpoint takes webhooks.
type endpoint struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	got      []*http.Request
	bodies   [][]byte
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.got, e.bodies = append(e.got, r), append(e.bodies, body)
		status := http.StatusOK
		if len(e.statuses) > 0 {
			status, e.statuses = e.statuses[0], e.statuses[1:]
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.got)
}
