package crash

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// Ledger is a helpdesk on another machine that knows nothing of markers: what it is asked twice, it does twice. It
// finds what carries a marker when it is asked to look.
type Ledger struct {
	mu      sync.Mutex
	tickets []*entry
}

// entry is a ticket of a Ledger.
type entry struct {
	opened   helpdesk.Ticket
	articles []conversation.Article
	// arrived are the files that were shown to be there.
	arrived map[string]bool
	// replies are the keys of the agent's replies.
	replies []string
}

// Attach implements Helpdesk.
func (l *Ledger) Attach(*Process) helpdesk.Helpdesk { return l }

// on finds a ticket by the ID that OpenTicket returned; l.mu is held.
func (l *Ledger) on(id string) (*entry, error) {
	n, err := strconv.Atoi(id)
	if err != nil || n >= len(l.tickets) {
		return nil, &helpdesk.Error{Means: helpdesk.Refused, Message: "there is no such ticket"}
	}
	return l.tickets[n], nil
}

// OpenTicket implements helpdesk.Helpdesk, as the methods below do.
func (l *Ledger) OpenTicket(_ context.Context, t helpdesk.Ticket) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tickets = append(l.tickets, &entry{opened: t, articles: []conversation.Article{t.Article}, arrived: map[string]bool{}})
	return strconv.Itoa(len(l.tickets) - 1), nil
}

// AddArticle adds an article.
func (l *Ledger) AddArticle(_ context.Context, id string, a helpdesk.Article) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.on(id)
	if err == nil {
		t.articles = append(t.articles, a.Article)
	}
	return err
}

// SetDelivery shows nothing.
func (l *Ledger) SetDelivery(_ context.Context, id string, _ helpdesk.Delivery) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.on(id)
	return err
}

// SetAttachment shows that a file is there.
func (l *Ledger) SetAttachment(_ context.Context, id string, a conversation.SetAttachment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.on(id)
	if err == nil && a.Attachment.State == conversation.AttachmentKept {
		t.arrived[a.Attachment.ID] = true
	}
	return err
}

// SetState changes nothing that anybody looks at.
func (l *Ledger) SetState(_ context.Context, id string, _ conversation.TicketState) error {
	return l.SetDelivery(context.Background(), id, helpdesk.Delivery{})
}

// FindTicket looks for a ticket by its marker.
func (l *Ledger) FindTicket(_ context.Context, marker string) (string, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.tickets, func(t *entry) bool { return t.opened.Marker == marker })
	return strconv.Itoa(at), at >= 0, nil
}

// FindArticle looks for an article by its marker.
func (l *Ledger) FindArticle(_ context.Context, id, article string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.on(id)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(t.articles, func(a conversation.Article) bool { return a.ID == article }), nil
}

// Reply implements Helpdesk: the reply is on the ticket at once, and the receiver is told until it has taken it up.
func (l *Ledger) Reply(ctx context.Context, p *Process, ticket int, key string, r Reply) error {
	files, err := Keep(ctx, p.Files, key, r.Files)
	if err != nil {
		return err
	}
	ref, err := l.write(ticket, key, r, files)
	if err != nil {
		return err
	}
	return taken(p.Agents.Replied(ctx, helpdesk.Reply{Ticket: ref, Article: key, Text: r.Text, Files: files}))
}

// write puts an agent's reply on a ticket, once.
func (l *Ledger) write(ticket int, key string, r Reply, files []conversation.File) (helpdesk.TicketRef, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ref, err := l.ref(ticket)
	if err != nil || slices.Contains(t.replies, key) {
		return ref, err
	}
	t.replies = append(t.replies, key)
	a := conversation.Article{ID: key, Author: conversation.AuthorAgent, Text: r.Text}
	for _, f := range files {
		a.Attachments = append(a.Attachments, conversation.Attachment{File: f, State: conversation.AttachmentKept})
		t.arrived[f.ID] = true
	}
	t.articles = append(t.articles, a)
	return ref, nil
}

// ref returns a ticket and how it is named to the receiver; l.mu is held.
func (l *Ledger) ref(ticket int) (*entry, helpdesk.TicketRef, error) {
	if ticket >= len(l.tickets) {
		return nil, helpdesk.TicketRef{}, errNoTicket
	}
	t := l.tickets[ticket]
	return t, helpdesk.TicketRef{ID: strconv.Itoa(ticket), Marker: t.opened.Marker}, nil
}

// taken makes it an error that the receiver does not know the ticket.
func taken(ours bool, err error) error {
	if err == nil && !ours {
		return errNoTicket
	}
	return err
}

// Close implements Helpdesk.
func (l *Ledger) Close(ctx context.Context, p *Process, ticket int) error {
	l.mu.Lock()
	_, ref, err := l.ref(ticket)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return taken(p.Agents.InState(ctx, ref, conversation.TicketIsClosed))
}

// Identity tells this helpdesk from the built-in one.
func (*Ledger) Identity() string { return "ledger" }

// Check finds nothing wrong.
func (*Ledger) Check(context.Context) helpdesk.Health { return helpdesk.Health{Ready: true} }

// WaitsForFiles says that files can be added later.
func (*Ledger) WaitsForFiles() time.Duration { return 0 }

// Settles implements helpdesk.Helpdesk.
func (*Ledger) Settles() time.Duration { return 0 }

// Doorbell says that nobody rings.
func (*Ledger) Doorbell() http.Handler { return nil }

// Run has nothing to do.
func (*Ledger) Run(context.Context) error { return nil }

// Tickets implements Helpdesk.
func (l *Ledger) Tickets(context.Context, *Process) (seen []Ticket, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tickets {
		var ticket Ticket
		for _, a := range t.articles {
			article := Article{Text: a.Text, Note: a.Author == conversation.AuthorNote}
			for _, f := range a.Attachments {
				if t.arrived[f.ID] {
					article.Files = append(article.Files, f.Name)
				}
			}
			ticket.Articles = append(ticket.Articles, article)
		}
		seen = append(seen, ticket)
	}
	return seen, nil
}
