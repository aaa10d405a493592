package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

var start = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

type bench struct {
	t     *testing.T
	store *store.SQLite
	clock *clocktest.Fake
	inbox *inbox.Inbox
	files *media.Dir
	// handler is what routes serves.
	handler *api.Handler
	routes  http.Handler
	tokens  api.Tokens
	// agents, if not nil, work through the API.
	agents   api.Conversations
	contract *contract
	changed  int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	files, err := media.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: s, files: files, clock: clocktest.New(start), tokens: api.Tokens{Status: []byte("status"), API: []byte("api")}}
	b.inbox, b.contract = &inbox.Inbox{Store: s, Clock: b.clock}, newContract(t)
	b.agents = inbox.Conversations{Inbox: b.inbox}
	b.handler = &api.Handler{
		Store: s, Inbox: b.inbox, Files: files, Conversations: func() api.Conversations { return b.agents }, Clock: b.clock, Log: slog.New(slog.DiscardHandler),
		Tokens:  func() api.Tokens { return b.tokens },
		Status:  func(context.Context) (config.Status, error) { return config.Status{Version: "1.2.3"}, nil },
		Changed: func() { b.changed++ },
	}
	b.routes = b.handler.Routes()
	return b
}

// open opens a ticket whose customer wrote just now.
func (b *bench) open() {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		return tx.SaveConversation(conversation.State{
			ID: "c", Epoch: 1, Open: true, LastMessageAt: b.clock.Now(), Customer: conversation.Customer{Username: "erika"},
		}, b.clock.Now())
	}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.inbox.OpenTicket(b.t.Context(), helpdesk.Ticket{
		Marker: "c/1", Conversation: "c", Epoch: 1,
		OpenTicket: conversation.OpenTicket{
			Group: "2nd Level", Customer: conversation.Customer{Username: "erika"},
			Article: conversation.Article{ID: "w1", Author: conversation.AuthorCustomer, Type: "text", Text: "Hello", WrittenAt: start},
		},
	}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) do(method, path, token, key, body string) (int, string) {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if key != "" {
		r.Header.Set(wire.IdempotencyKey, key)
	}
	return b.serve(r, body)
}

// serve serves a request, and checks it and its answer against the API's description.
func (b *bench) serve(r *http.Request, body string) (int, string) {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.routes.ServeHTTP(w, r)
	answer, _ := io.ReadAll(w.Body)
	b.contract.hold(r, []byte(body), w.Code, w.Header(), answer)
	if !json.Valid(answer) {
		b.t.Errorf("%s %s: the answer is not JSON: %s", r.Method, r.URL, answer)
	}
	return w.Code, string(bytes.TrimSpace(answer))
}

func TestWhoMayWhat(t *testing.T) {
	b := newBench(t)
	for name, tc := range map[string]struct {
		path, token string
		want        int
	}{
		"status with the status token":  {config.StatusPath, "status", 200},
		"status with the API token":     {config.StatusPath, "api", 200},
		"status without a token":        {config.StatusPath, "", 401},
		"status with another token":     {config.StatusPath, "other", 401},
		"tickets with the API token":    {"/v1/tickets", "api", 200},
		"tickets with the status token": {"/v1/tickets", "status", 403},
		"tickets without a token":       {"/v1/tickets", "", 401},
		"nothing there, no token":       {"/v1/nothing", "", 401},
		"nothing there":                 {"/v1/nothing", "api", 404},
	} {
		if status, _ := b.do(http.MethodGet, tc.path, tc.token, "", ""); status != tc.want {
			t.Errorf("%s: status %d, want %d", name, status, tc.want)
		}
	}
	b.tokens = api.Tokens{}
	r := httptest.NewRequest(http.MethodGet, config.StatusPath, nil)
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	b.routes.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("a token that is not mounted opens the API: status %d", w.Code)
	}
}

func TestTheStatusIsAsTheOperatorReadsIt(t *testing.T) {
	b := newBench(t)
	_, answer := b.do(http.MethodGet, config.StatusPath, "status", "", "")
	var status config.Status
	if err := json.Unmarshal([]byte(answer), &status); err != nil || status.Version != "1.2.3" {
		t.Errorf("status: %+v, %v", status, err)
	}
}

func TestTickets(t *testing.T) {
	b := newBench(t)
	if _, answer := b.do(http.MethodGet, "/v1/tickets", "api", "", ""); answer != `{"tickets":[]}` {
		t.Errorf("no tickets: %s", answer)
	}
	b.open()
	_, answer := b.do(http.MethodGet, "/v1/tickets/1", "api", "", "")
	want := `{"id":1,"conversation":"c","title":"@erika via WhatsApp","group":"2nd Level","state":"open",` +
		`"customer":{"username":"erika"},"createdAt":"2026-11-02T10:00:00Z","updatedAt":"2026-11-02T10:00:00Z",` +
		`"windowEndsAt":"2026-11-03T10:00:00Z","articles":[{"id":"w1","author":"customer","type":"text","text":"Hello",` +
		`"writtenAt":"2026-11-02T10:00:00Z"}]}`
	if answer != want {
		t.Errorf("ticket:\n%s, want\n%s", answer, want)
	}
	for path, want := range map[string]struct {
		status  int
		tickets int
	}{
		"/v1/tickets": {200, 1}, "/v1/tickets?state=open": {200, 1}, "/v1/tickets?state=closed": {200, 0},
		"/v1/tickets?before=1": {200, 0}, "/v1/tickets?before=2&limit=1": {200, 1},
		"/v1/tickets?state=odd": {400, 0}, "/v1/tickets?limit=0": {400, 0}, "/v1/tickets?limit=201": {400, 0}, "/v1/tickets?before=x": {400, 0},
	} {
		status, answer := b.do(http.MethodGet, path, "api", "", "")
		var list struct{ Tickets []wire.Ticket }
		if err := json.Unmarshal([]byte(answer), &list); err != nil || status != want.status || len(list.Tickets) != want.tickets {
			t.Errorf("%s: status %d, %d tickets, %v", path, status, len(list.Tickets), err)
		}
	}
	for _, path := range []string{"/v1/tickets/2", "/v1/tickets/x", "/v1/tickets/0"} {
		if status, _ := b.do(http.MethodGet, path, "api", "", ""); status != 404 {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

func TestReplies(t *testing.T) {
	b := newBench(t)
	b.open()
	for _, try := range []struct {
		what, path, key, body string
		status                int
	}{
		{"a reply", "/v1/tickets/1/replies", "k", `{"text":"Hi"}`, 200},
		{"the same again", "/v1/tickets/1/replies", "k", `{"text":"Hi"}`, 200},
		{"another one", "/v1/tickets/1/replies", "k2", `{"text":"Hi"}`, 200},
		{"another one with the same key", "/v1/tickets/1/replies", "k", `{"text":"Ho"}`, 422},
		{"without a key", "/v1/tickets/1/replies", "", `{"text":"Hi"}`, 400},
		{"with a huge key", "/v1/tickets/1/replies", strings.Repeat("k", 256), `{"text":"Hi"}`, 400},
		{"without a text", "/v1/tickets/1/replies", "k3", `{"text":" \n"}`, 400},
		{"with another field", "/v1/tickets/1/replies", "k3", `{"text":"Hi","html":true}`, 400},
		{"without JSON", "/v1/tickets/1/replies", "k3", `text=Hi`, 400},
		{"with more JSON", "/v1/tickets/1/replies", "k3", `{"text":"Hi"}{}`, 400},
		{"too large", "/v1/tickets/1/replies", "k3", `{"text":"` + strings.Repeat("x", 300<<10) + `"}`, 413},
		{"on a ticket that is not there", "/v1/tickets/9/replies", "k3", `{"text":"Hi"}`, 404},
	} {
		if status, answer := b.do(http.MethodPost, try.path, "api", try.key, try.body); status != try.status {
			t.Errorf("%s: status %d, want %d: %s", try.what, status, try.status, answer)
		}
	}
	if err := b.store.View(t.Context(), func(tx *store.Tx) error {
		articles, err := tx.Articles(1)
		if len(articles) != 3 {
			t.Errorf("%d articles, want the customer's and two replies", len(articles))
		}
		first, found, err2 := tx.EffectByKey(articles[1].Marker + "/send/1")
		second, found2, err3 := tx.EffectByKey(articles[2].Marker + "/send/1")
		if !found || !found2 || first.State != store.EffectReady || second.State != store.EffectBlocked {
			t.Errorf("the replies are not queued in order: %+v, %+v", first, second)
		}
		return errors.Join(err, err2, err3)
	}); err != nil {
		t.Fatal(err)
	}
	if b.changed == 0 {
		t.Error("nobody is told to send")
	}
}

func TestAReplyAfterTheWindowSaysWhyItIsNotSent(t *testing.T) {
	b := newBench(t)
	b.open()
	b.clock.Advance(25 * time.Hour)
	if status, _ := b.do(http.MethodPost, "/v1/tickets/1/replies", "api", "k", `{"text":"Hi"}`); status != 200 {
		t.Fatalf("status %d", status)
	}
	if err := b.store.View(t.Context(), func(tx *store.Tx) error {
		articles, err := tx.Articles(1)
		e, found, err2 := tx.EffectByKey(articles[1].Marker + "/delivery/not-sent")
		if !found || !strings.Contains(e.SetDelivery.Reason, "window closed") {
			t.Errorf("the ticket is told %+v", e)
		}
		if _, sent, _ := tx.EffectByKey(articles[1].Marker + "/send/1"); sent {
			t.Error("it is sent")
		}
		return errors.Join(err, err2)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestClosing(t *testing.T) {
	b := newBench(t)
	b.open()
	for range 2 {
		status, answer := b.do(http.MethodPost, "/v1/tickets/1/close", "api", "", "")
		if status != 200 || !strings.Contains(answer, `"state":"closed"`) {
			t.Errorf("close: status %d, %s", status, answer)
		}
	}
	if err := b.store.View(t.Context(), func(tx *store.Tx) error {
		s, _, err := tx.Conversation("c")
		if s.Open {
			t.Error("the conversation does not know")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if status, _ := b.do(http.MethodPost, "/v1/tickets/9/close", "api", "", ""); status != 404 {
		t.Errorf("another ticket: status %d", status)
	}
}

func TestDeadLettersAndQuarantine(t *testing.T) {
	b := newBench(t)
	b.open()
	if err := b.store.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.AddEffects("c", []conversation.Effect{{Key: "k", Kind: conversation.KindSendText}}, start); err != nil {
			return err
		}
		e, _, err := tx.EffectByKey("k")
		if err != nil {
			return err
		}
		_, err = tx.FinishEffect(e, store.EffectDead, "", "why", start)
		return errors.Join(err, tx.Quarantine(store.Quarantined{ReceivedAt: start, Reason: store.OtherNumber, Detail: "d", Body: []byte("b")}))
	}); err != nil {
		t.Fatal(err)
	}
	_, letters := b.do(http.MethodGet, "/v1/dead-letters", "api", "", "")
	if letters != `{"deadLetters":[{"id":1,"conversation":"c","kind":"send-text","destination":"graph","attempts":0,"createdAt":"2026-11-02T10:00:00Z","error":"why"}]}` {
		t.Errorf("dead letters: %s", letters)
	}
	_, quarantine := b.do(http.MethodGet, "/v1/quarantine", "api", "", "")
	if quarantine != `{"quarantined":[{"id":1,"receivedAt":"2026-11-02T10:00:00Z","reason":"other-number","detail":"d","body":"b"}]}` {
		t.Errorf("quarantine: %s", quarantine)
	}
	for _, want := range []int{200, 404} {
		if status, _ := b.do(http.MethodPost, "/v1/dead-letters/1/replay", "api", "", ""); status != want {
			t.Errorf("replay: status %d, want %d", status, want)
		}
	}
	if _, letters = b.do(http.MethodGet, "/v1/dead-letters", "api", "", ""); letters != `{"deadLetters":[]}` {
		t.Errorf("after the replay: %s", letters)
	}
}
