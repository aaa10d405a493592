// Package helpdesk says what the receiver wants of a helpdesk.
package helpdesk

import (
	"context"
	"errors"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// Helpdesk is where tickets are. A call may be repeated after a crash or a lost answer, but only after Find… has
// looked for what it would have left behind: each ticket and article carries a marker that names it for good.
type Helpdesk interface {
	// OpenTicket opens a ticket with its first article, both or neither, and returns the helpdesk's ID for it.
	OpenTicket(ctx context.Context, t Ticket) (id string, err error)
	// AddArticle adds an article to a ticket.
	AddArticle(ctx context.Context, ticketID string, a conversation.Article) error
	// SetDelivery shows on an article how far it has got on its way to the customer. It may be repeated at will.
	SetDelivery(ctx context.Context, ticketID string, d conversation.SetDelivery) error
	// SetAttachment shows what became of a file of an article. It may be repeated at will.
	SetAttachment(ctx context.Context, ticketID string, a conversation.SetAttachment) error
	// SetState brings a ticket into a state. It may be repeated at will.
	SetState(ctx context.Context, ticketID string, state conversation.TicketState) error
	// FindTicket looks for a ticket by its marker.
	FindTicket(ctx context.Context, marker string) (id string, found bool, err error)
	// FindArticle looks for an article by its ID, which is its marker.
	FindArticle(ctx context.Context, ticketID, articleID string) (found bool, err error)
}

// Ticket is a ticket to be opened.
type Ticket struct {
	// Marker names the ticket for good, see conversation.TicketMarker.
	Marker       string
	Conversation string
	Epoch        int
	conversation.OpenTicket
}

// ErrRefused is the cause of a call that the helpdesk will refuse again.
var ErrRefused = errors.New("the helpdesk refuses")
