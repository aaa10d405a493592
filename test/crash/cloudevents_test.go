package crash_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/crash"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/cloudevents"
)

// eventLogs are the endpoints of many runs, each at a path of its own.
type eventLogs struct {
	*httptest.Server
	mu   sync.Mutex
	runs map[string]*eventLog
}

// eventLog is what a program keeps of the events of one run that leaves out what it has had, as docs/cloudevents.md asks.
type eventLog struct {
	url string

	mu       sync.Mutex
	had      map[string]bool
	tickets  []string
	subjects map[string]string
	articles map[string][]cloudevents.Article
}

func newEventLogs(tb testing.TB) *eventLogs {
	tb.Helper()
	l := &eventLogs{runs: map[string]*eventLog{}}
	l.Server = httptest.NewServer(l)
	tb.Cleanup(l.Close)
	return l
}

// begin begins a run.
func (l *eventLogs) begin() crash.Helpdesk {
	l.mu.Lock()
	defer l.mu.Unlock()
	path := fmt.Sprintf("/run/%d", len(l.runs))
	e := &eventLog{
		url: l.URL + path, had: map[string]bool{}, subjects: map[string]string{}, articles: map[string][]cloudevents.Article{},
	}
	l.runs[path] = e
	return openFiles{e}
}

func (l *eventLogs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	e := l.runs[r.URL.Path]
	l.mu.Unlock()
	var data cloudevents.Data
	if err := json.NewDecoder(r.Body).Decode(&data); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.take(r.Header.Get("Ce-Id"), r.Header.Get("Ce-Subject"), data)
}

func (e *eventLog) take(id, subject string, data cloudevents.Data) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.had[id] {
		return
	}
	e.had[id] = true
	ticket := data.Ticket.ID
	if !slices.Contains(e.tickets, ticket) {
		e.tickets = append(e.tickets, ticket)
		e.subjects[ticket] = subject
	}
	if data.Article != nil {
		e.articles[ticket] = append(e.articles[ticket], *data.Article)
	}
	if data.Attachment != nil {
		for i, a := range e.articles[ticket] {
			if a.ID == data.ArticleID {
				e.articles[ticket][i].Attachments = []cloudevents.Attachment{*data.Attachment}
			}
		}
	}
}

func (e *eventLog) desk(p *crash.Process) *cloudevents.Desk {
	return cloudevents.New(cloudevents.Options{
		Channel: config.Channel{Namespace: "helpdesk", Name: "support", Helpdesk: &config.Helpdesk{
			CloudEvents: &config.CloudEvents{URL: e.url, ReceiverURL: "https://support-receiver.helpdesk.svc:8081"},
		}},
		Store: p.Store, Clock: p.Clock, Settings: func() conversation.Settings { return p.Settings },
	})
}

func (e *eventLog) Attach(p *crash.Process) helpdesk.Helpdesk { return e.desk(p) }

// subject returns the conversation of a ticket that was told.
func (e *eventLog) subject(ticket int) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ticket >= len(e.tickets) {
		return "", errors.New("nobody has told of such a ticket yet")
	}
	return e.subjects[e.tickets[ticket]], nil
}

func (e *eventLog) Reply(ctx context.Context, p *crash.Process, ticket int, key string, r crash.Reply) error {
	of, err := e.subject(ticket)
	if err != nil {
		return err
	}
	files, err := crash.Keep(ctx, p.Files, key, r.Files)
	if err != nil {
		return err
	}
	_, err = e.desk(p).Reply(ctx, of, key, r.Text, files...)
	p.Wake()
	return err
}

func (e *eventLog) Close(ctx context.Context, p *crash.Process, ticket int) error {
	of, err := e.subject(ticket)
	if err != nil {
		return err
	}
	_, err = e.desk(p).Change(ctx, of, fmt.Sprintf("close %d", ticket), conversation.TicketIsClosed)
	p.Wake()
	return err
}

func (e *eventLog) Tickets(context.Context, *crash.Process) (seen []crash.Ticket, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range e.tickets {
		var ticket crash.Ticket
		for _, a := range e.articles[id] {
			article := crash.Article{Text: a.Text, Note: a.Author == string(conversation.AuthorNote)}
			for _, f := range a.Attachments {
				if f.State == string(conversation.AttachmentKept) {
					article.Files = append(article.Files, f.Name)
				}
			}
			ticket.Articles = append(ticket.Articles, article)
		}
		seen = append(seen, ticket)
	}
	return seen, nil
}
