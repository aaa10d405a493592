package edge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

var start = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

type fixture struct {
	handler *edge.Handler
	mu      sync.Mutex
	stored  []store.Webhook
	results []edge.Result
	err     error
	ready   bool
}

func newFixture() *fixture {
	f := &fixture{ready: true}
	f.handler = &edge.Handler{
		Secrets: func() (edge.Secrets, bool) {
			return edge.Secrets{
				Path:         "/helpdesk/support",
				AppSecrets:   [][]byte{[]byte("current"), []byte("previous")},
				VerifyTokens: [][]byte{[]byte("token"), []byte("older")},
			}, f.ready
		},
		Append: func(_ context.Context, w store.Webhook) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.err != nil {
				return f.err
			}
			w.Body = bytes.Clone(w.Body)
			f.stored = append(f.stored, w)
			return nil
		},
		Clock:  clocktest.New(start),
		Bodies: &edge.Bodies{},
		Observe: func(r edge.Result) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.results = append(f.results, r)
		},
	}
	return f
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func signed(body []byte, secret string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/helpdesk/support", bytes.NewReader(body))
	r.Header.Set(webhook.SignatureHeader, webhook.Sign(body, []byte(secret)))
	return r
}

func TestHandshake(t *testing.T) {
	for name, tc := range map[string]struct {
		query  string
		status int
		result edge.Result
	}{
		"good":             {"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=token", 200, edge.HandshakeDone},
		"previous token":   {"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=older", 200, edge.HandshakeDone},
		"wrong token":      {"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=wrong", 403, edge.HandshakeRefused},
		"longer token":     {"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=token1", 403, edge.HandshakeRefused},
		"no token":         {"hub.mode=subscribe&hub.challenge=1158201444", 400, edge.HandshakeInvalid},
		"no challenge":     {"hub.mode=subscribe&hub.verify_token=token", 400, edge.HandshakeInvalid},
		"another mode":     {"hub.mode=other&hub.challenge=1158201444&hub.verify_token=token", 400, edge.HandshakeInvalid},
		"nothing":          {"", 400, edge.HandshakeInvalid},
		"a huge challenge": {"hub.mode=subscribe&hub.verify_token=token&hub.challenge=" + strings.Repeat("1158201444", 30), 400, edge.HandshakeInvalid},
	} {
		f := newFixture()
		w := f.do(httptest.NewRequest(http.MethodGet, "/helpdesk/support?"+tc.query, nil))
		if w.Code != tc.status || f.results[0] != tc.result {
			t.Errorf("%s: status %d, %s", name, w.Code, f.results[0])
		}
		if echoed := strings.Contains(w.Body.String(), "1158201444"); echoed != (tc.status == 200) {
			t.Errorf("%s: the answer is %q", name, w.Body)
		}
	}
}

func TestWebhooks(t *testing.T) {
	small, limit := []byte(`{"a":1}`), bytes.Repeat([]byte("x"), edge.MaxBody)
	large := append(bytes.Clone(limit), 'x')
	for name, tc := range map[string]struct {
		request *http.Request
		change  func(*http.Request)
		status  int
		result  edge.Result
	}{
		"good":                       {signed(small, "current"), nil, 200, edge.Stored},
		"with the previous secret":   {signed(small, "previous"), nil, 200, edge.Stored},
		"of unknown length":          {signed(small, "current"), func(r *http.Request) { r.ContentLength = -1 }, 200, edge.Stored},
		"as large as Meta's largest": {signed(limit, "current"), nil, 200, edge.Stored},
		"empty":                      {signed(nil, "current"), nil, 200, edge.Stored},
		"with another secret":        {signed(small, "other"), nil, 401, edge.BadSignature},
		"without a signature":        {signed(small, "current"), func(r *http.Request) { r.Header.Del(webhook.SignatureHeader) }, 401, edge.BadSignature},
		"with half a signature":      {signed(small, "current"), func(r *http.Request) { r.Header.Set(webhook.SignatureHeader, "sha256=00") }, 401, edge.BadSignature},
		"too large":                  {signed(large, "current"), nil, 413, edge.TooLarge},
		"too large, length not told": {signed(large, "current"), func(r *http.Request) { r.ContentLength = -1 }, 413, edge.TooLarge},
		"too large, length a lie":    {signed(large, "current"), func(r *http.Request) { r.ContentLength = 7 }, 413, edge.TooLarge},
		"cut off":                    {signed(small, "current"), func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{})) }, 400, edge.Incomplete},
		"to another path":            {signed(small, "current"), func(r *http.Request) { r.URL.Path = "/helpdesk/other" }, 404, edge.NotFound},
		"with another method":        {signed(small, "current"), func(r *http.Request) { r.Method = http.MethodPut }, 405, edge.MethodNotAllowed},
	} {
		f := newFixture()
		if tc.change != nil {
			tc.change(tc.request)
		}
		w := f.do(tc.request)
		if w.Code != tc.status || f.results[0] != tc.result {
			t.Errorf("%s: status %d, %s; want %d, %s", name, w.Code, f.results[0], tc.status, tc.result)
		}
		if stored := len(f.stored) == 1; stored != (tc.status == 200) {
			t.Errorf("%s: stored %v", name, stored)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestTheBodyIsStoredAsItCame(t *testing.T) {
	f := newFixture()
	body := []byte("{\"a\": \"\\u00e4\\/\"}\n")
	f.do(signed(body, "current"))
	if w := f.stored[0]; !bytes.Equal(w.Body, body) || !w.ReceivedAt.Equal(start) {
		t.Errorf("stored %q at %v", w.Body, w.ReceivedAt)
	}
}

func TestNoStoreNoAcknowledgement(t *testing.T) {
	f := newFixture()
	f.err = errors.New("disk full")
	w := f.do(signed([]byte("{}"), "current"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("status %d, %v, %q", w.Code, w.Header(), w.Body)
	}
	f.ready = false
	if w := f.do(signed([]byte("{}"), "current")); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("before it is ready: status %d", w.Code)
	}
}

// slow is a body that has sent all but its end.
type slow struct {
	data    *bytes.Reader
	arrived chan<- struct{}
	finish  <-chan struct{}
}

func (s slow) Read(p []byte) (int, error) {
	if s.data.Len() > 0 {
		return s.data.Read(p)
	}
	s.arrived <- struct{}{}
	<-s.finish
	return 0, io.EOF
}

func TestBodiesInFlightAreBounded(t *testing.T) {
	f := newFixture()
	// Six bodies of 2.5 MiB fit into 16 MiB, by the size of the buffers that hold them.
	body := bytes.Repeat([]byte("x"), 5<<19)
	arrived, finish := make(chan struct{}), make(chan struct{})
	statuses := make(chan int)
	const callers = 5
	for range callers {
		go func() {
			r := signed(body, "current")
			r.Body = io.NopCloser(slow{bytes.NewReader(body), arrived, finish})
			statuses <- f.do(r).Code
		}()
	}
	for range callers {
		<-arrived
	}
	if w := f.do(signed(body, "current")); w.Code != 503 {
		t.Errorf("one more body than fits: status %d", w.Code)
	}
	if w := f.do(signed([]byte("{}"), "current")); w.Code != 200 {
		t.Errorf("a small body beside large ones: status %d", w.Code)
	}
	close(finish)
	for range callers {
		if status := <-statuses; status != 200 {
			t.Errorf("a body that fits: status %d", status)
		}
	}
	if w := f.do(signed(body, "current")); w.Code != 200 {
		t.Errorf("after they ended: status %d", w.Code)
	}
}

// other is a handler of another package that gathers what it is sent, and answers by how that ended.
type other struct{ bodies *edge.Bodies }

func (o other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bound, done := o.bodies.Bound(w, r)
	defer done()
	_, err := io.ReadAll(bound.Body)
	switch tooLarge := new(http.MaxBytesError); {
	case errors.As(err, &tooLarge):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case errors.Is(err, io.ErrUnexpectedEOF):
		w.WriteHeader(http.StatusBadRequest)
	case err != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func TestBodiesOfOtherHandlersShareTheLimit(t *testing.T) {
	f := newFixture()
	post := func(body io.Reader) int {
		w := httptest.NewRecorder()
		other{f.handler.Bodies}.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/helpdesk/support/helpdesk", body))
		return w.Code
	}
	limit := bytes.Repeat([]byte("x"), edge.MaxBody)
	// However a request ends, it gives back what it held: otherwise these would be more than fits.
	for range edge.MaxInFlight/edge.MaxBody + 1 {
		for name, tc := range map[string]struct {
			body   io.Reader
			status int
		}{
			"good":      {bytes.NewReader(limit), 200},
			"too large": {io.MultiReader(bytes.NewReader(limit), strings.NewReader("x")), 413},
			"cut off":   {io.MultiReader(bytes.NewReader(limit), broken{}), 400},
		} {
			if status := post(tc.body); status != tc.status {
				t.Fatalf("%s: status %d, want %d", name, status, tc.status)
			}
		}
	}
	arrived, finish, statuses := make(chan struct{}), make(chan struct{}), make(chan int)
	const callers = 2
	for range callers {
		go func() { statuses <- post(slow{bytes.NewReader(limit), arrived, finish}) }()
	}
	for range callers {
		<-arrived
	}
	for range edge.MaxInFlight/edge.MaxBody + 1 {
		if status := post(bytes.NewReader(limit)); status != 503 {
			t.Errorf("one more body than fits: status %d", status)
		}
	}
	if status := post(strings.NewReader("{}")); status != 200 {
		t.Errorf("a small body beside large ones: status %d", status)
	}
	// What others hold, webhooks cannot; 3 MiB fit beside that once, and 6 do not.
	meta := make(chan int)
	go func() {
		r := signed(limit, "current")
		r.Body = io.NopCloser(slow{bytes.NewReader(limit), arrived, finish})
		meta <- f.do(r).Code
	}()
	<-arrived
	if w := f.do(signed(limit, "current")); w.Code != 503 || f.results[0] != edge.Busy {
		t.Errorf("a webhook beside them: status %d, %v", w.Code, f.results)
	}
	close(finish)
	for range callers {
		if status := <-statuses; status != 200 {
			t.Errorf("a body that fits: status %d", status)
		}
	}
	if status := <-meta; status != 200 {
		t.Errorf("a webhook that fits: status %d", status)
	}
	for range callers + 1 {
		if status := post(bytes.NewReader(limit)); status != 200 {
			t.Errorf("after they ended: status %d", status)
		}
	}
}

func FuzzHandler(f *testing.F) {
	f.Add("POST", "/helpdesk/support", "sha256=00", []byte("{}"))
	f.Add("GET", "/helpdesk/support?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong", "", []byte(nil))
	f.Fuzz(func(t *testing.T, method, target, signature string, body []byte) {
		r, err := http.NewRequest(method, "http://localhost/helpdesk/support", bytes.NewReader(body))
		if err != nil {
			return
		}
		if u, err := r.URL.Parse(target); err == nil {
			r.URL = u
		}
		r.Header.Set(webhook.SignatureHeader, signature)
		fixture := newFixture()
		w := fixture.do(r)
		if len(fixture.stored) > 0 && !webhook.VerifySignature(signature, body, []byte("current"), []byte("previous")) {
			t.Error("an unsigned body was stored")
		}
		if w.Code == 200 && len(fixture.stored) == 0 && r.Method != http.MethodGet {
			t.Error("a webhook was acknowledged and not stored")
		}
	})
}
