package cloudevents_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/cloudevents"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/helpdesktest"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

// endpoint keeps tickets by events, each of which counts once.
type endpoint struct {
	t *testing.T

	mu      sync.Mutex
	seen    map[string]bool
	tickets map[string]helpdesktest.Ticket
	// lose has the next answer get lost; answer, if not zero, is what is answered instead of taking an event.
	lose   bool
	answer int
	header http.Header
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		return
	}
	var data cloudevents.Data
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &data)
	}
	if err != nil {
		e.t.Error(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.header = r.Header.Clone()
	if e.answer != 0 {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(e.answer)
		return
	}
	if id := r.Header.Get("Ce-Id"); !e.seen[id] {
		e.seen[id] = true
		e.take(r.Header.Get("Ce-Type"), data)
	}
	if e.lose {
		e.lose = false
		panic(http.ErrAbortHandler)
	}
}

// lastID is the ID of the event that came last.
func (e *endpoint) lastID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.header.Get("Ce-Id")
}

func (e *endpoint) take(kind string, data cloudevents.Data) {
	ticket := e.tickets[data.Ticket.ID]
	if state, changes := map[string]conversation.TicketState{
		cloudevents.TicketOpened: conversation.TicketIsOpen, cloudevents.TicketReopened: conversation.TicketIsOpen,
		cloudevents.TicketPending: conversation.TicketIsPending, cloudevents.TicketClosed: conversation.TicketIsClosed,
	}[kind]; changes {
		ticket.State = state
	}
	if data.Article != nil {
		shown := helpdesktest.Article{Text: data.Article.Text}
		for _, a := range data.Article.Attachments {
			shown.Files = append(shown.Files, a.Name)
		}
		ticket.Articles = append(ticket.Articles, shown)
	}
	if data.Status != nil {
		ticket.Articles = append(ticket.Articles, helpdesktest.Article{Text: data.Status.Reason})
	}
	e.tickets[data.Ticket.ID] = ticket
}

func open(t *testing.T, r helpdesk.Receiver) (*endpoint, *cloudevents.Desk) {
	t.Helper()
	e := &endpoint{t: t, seen: map[string]bool{}, tickets: map[string]helpdesktest.Ticket{}}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return e, cloudevents.New(cloudevents.Options{
		Channel: config.Channel{Namespace: "helpdesk", Name: "support", Helpdesk: &config.Helpdesk{
			CloudEvents: &config.CloudEvents{URL: server.URL, ReceiverURL: "https://support-receiver.helpdesk.svc:8081"},
		}},
		Clock: r.Clock,
	})
}

func TestCloudEventsAreAHelpdesk(t *testing.T) {
	helpdesktest.Run(t, func(t *testing.T, r helpdesk.Receiver) helpdesktest.Desk {
		t.Helper()
		e, desk := open(t, r)
		return helpdesktest.Desk{
			Helpdesk: desk, Forgets: true,
			See: func(ticket string) helpdesktest.Ticket {
				e.mu.Lock()
				defer e.mu.Unlock()
				return e.tickets[ticket]
			},
			LoseAnswer: func() func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.lose = true
				return func() {}
			},
		}
	})
}
