// Package cloudevents tells what happens on tickets by CloudEvents, for a helpdesk that somebody builds themselves.
// Replies come in through the private API.
package cloudevents

import (
	"context"
	"crypto/x509"
	"net/http"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Options are what a Desk works with.
type Options struct {
	// Channel names the channel, and its Helpdesk says where events go.
	Channel config.Channel
	// Authorization is the value of the header of that name; empty for none.
	Authorization string
	// RootCAs are the authorities to trust; nil for the system's.
	RootCAs *x509.CertPool
	Store   store.Store
	Clock   clock.Clock
	// Settings returns what the channel's declaration says about conversations at present.
	Settings func() conversation.Settings
}

// Desk posts events. It cannot look up what the endpoint has taken: an event whose answer was lost is posted again with
// the same ID, by which the endpoint can tell.
type Desk struct {
	Options
	client *http.Client

	mu sync.Mutex
	// failure is why the latest event was not taken; nil if it was, or none was posted.
	failure *helpdesk.Error
}

var _ helpdesk.Helpdesk = (*Desk)(nil)

// New returns a helpdesk that posts nothing before it is told to.
func New(o Options) *Desk { return &Desk{Options: o, client: newClient(o.RootCAs)} }

// Identity implements helpdesk.Helpdesk.
func (d *Desk) Identity() string { return d.Channel.Helpdesk.Identity() }

// OpenTicket implements helpdesk.Helpdesk. A ticket is called by its marker.
func (d *Desk) OpenTicket(ctx context.Context, t helpdesk.Ticket) (string, error) {
	return t.Marker, d.post(ctx, event{
		kind: TicketOpened, key: helpdesk.CallKey(ctx), conversation: t.Conversation, at: t.Article.WrittenAt,
		data: Data{
			Ticket: Ticket{ID: t.Marker, Group: t.Group}, Customer: customerJSON(t.Customer),
			Article: d.article(t.Conversation, t.Article),
		},
	})
}

// AddArticle implements helpdesk.Helpdesk.
func (d *Desk) AddArticle(ctx context.Context, ticketID string, a helpdesk.Article) error {
	return d.post(ctx, event{
		kind: typeOfAuthor[a.Author], key: helpdesk.CallKey(ctx), conversation: a.Conversation, at: a.WrittenAt,
		data: Data{
			Ticket: Ticket{ID: ticketID}, Customer: customerJSON(a.Customer), Article: d.article(a.Conversation, a.Article),
		},
	})
}

// SetDelivery implements helpdesk.Helpdesk.
func (d *Desk) SetDelivery(ctx context.Context, ticketID string, s helpdesk.Delivery) error {
	return d.post(ctx, event{
		kind: MessageStatus, key: helpdesk.CallKey(ctx), conversation: conversationOf(ticketID), at: s.At,
		data: Data{Ticket: Ticket{ID: ticketID}, Status: &Status{ArticleID: s.ArticleID, State: string(s.Delivery), Reason: s.Reason}},
	})
}

// SetAttachment implements helpdesk.Helpdesk.
func (d *Desk) SetAttachment(ctx context.Context, ticketID string, a conversation.SetAttachment) error {
	of := conversationOf(ticketID)
	attachment := d.attachment(of, a.Attachment)
	return d.post(ctx, event{
		kind: AttachmentChanged, key: helpdesk.CallKey(ctx), conversation: of, at: d.Clock.Now(),
		data: Data{Ticket: Ticket{ID: ticketID}, ArticleID: a.ArticleID, Attachment: &attachment},
	})
}

// SetState implements helpdesk.Helpdesk.
func (d *Desk) SetState(ctx context.Context, ticketID string, state conversation.TicketState) error {
	return d.post(ctx, event{
		kind: typeOfState[state], key: helpdesk.CallKey(ctx), conversation: conversationOf(ticketID), at: d.Clock.Now(),
		data: Data{Ticket: Ticket{ID: ticketID}},
	})
}

// FindTicket implements helpdesk.Helpdesk: nobody can be asked, but a ticket is always called by its marker.
func (d *Desk) FindTicket(context.Context, string) (id string, found bool, err error) {
	return "", false, nil
}

// FindArticle implements helpdesk.Helpdesk: nobody can be asked.
func (d *Desk) FindArticle(context.Context, string, string) (bool, error) { return false, nil }

// WaitsForFiles implements helpdesk.Helpdesk: events say later that a file is there.
func (d *Desk) WaitsForFiles() time.Duration { return 0 }

// Settles implements helpdesk.Helpdesk.
func (d *Desk) Settles() time.Duration { return 0 }

// Doorbell implements helpdesk.Helpdesk: replies come in through the private API.
func (d *Desk) Doorbell() http.Handler { return nil }

// Run implements helpdesk.Helpdesk.
func (d *Desk) Run(ctx context.Context) error {
	<-ctx.Done()
	d.client.CloseIdleConnections()
	return nil
}
