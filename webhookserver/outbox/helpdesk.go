package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// HelpdeskCaller keeps tickets in a helpdesk.
type HelpdeskCaller struct {
	Helpdesk helpdesk.Helpdesk
	// Store knows which ID the helpdesk gave a ticket.
	Store store.Store
}

var errNoTicket = errors.New("the ticket that this belongs to was never opened")

// Call implements Caller.
func (h *HelpdeskCaller) Call(ctx context.Context, e store.Effect, _ conversation.State) (string, error) {
	if e.Kind == conversation.KindOpenTicket {
		return h.Helpdesk.OpenTicket(ctx, helpdesk.Ticket{
			Marker: conversation.TicketMarker(e.Conversation, e.Epoch), Conversation: e.Conversation, Epoch: e.Epoch,
			OpenTicket: *e.OpenTicket,
		})
	}
	ticket, err := h.ticketOf(ctx, e)
	if err != nil {
		return "", err
	}
	switch e.Kind {
	case conversation.KindAddArticle:
		return "", h.Helpdesk.AddArticle(ctx, ticket, *e.AddArticle)
	case conversation.KindSetState:
		return "", h.Helpdesk.SetState(ctx, ticket, e.SetState.State)
	case conversation.KindSetDelivery:
		return "", h.Helpdesk.SetDelivery(ctx, ticket, *e.SetDelivery)
	case conversation.KindSetAttachment:
		return "", h.Helpdesk.SetAttachment(ctx, ticket, *e.SetAttachment)
	}
	return "", fmt.Errorf("%w: this version does not know effects of the kind %s", helpdesk.ErrRefused, e.Kind)
}

// ticketOf returns the helpdesk's ID of the ticket that an effect is about. The lane's order has opened it before.
func (h *HelpdeskCaller) ticketOf(ctx context.Context, e store.Effect) (string, error) {
	var id string
	err := h.Store.View(ctx, func(tx *store.Tx) error {
		opened, found, err := tx.EffectByKey(conversation.TicketKey(e.Conversation, e.Epoch))
		if err == nil && (!found || opened.RemoteID == "") {
			err = errNoTicket
		}
		id = opened.RemoteID
		return err
	})
	return id, err
}

// Find implements Caller.
func (h *HelpdeskCaller) Find(ctx context.Context, e store.Effect) (string, bool, error) {
	switch e.Kind {
	case conversation.KindOpenTicket:
		return h.Helpdesk.FindTicket(ctx, conversation.TicketMarker(e.Conversation, e.Epoch))
	case conversation.KindAddArticle:
		ticket, err := h.ticketOf(ctx, e)
		if err != nil {
			return "", false, err
		}
		found, err := h.Helpdesk.FindArticle(ctx, ticket, e.AddArticle.ID)
		return "", found, err
	}
	// Showing a delivery or an attachment, or setting a state once more changes nothing.
	return "", false, nil
}

// Judge implements Caller.
func (h *HelpdeskCaller) Judge(err error) Verdict {
	switch {
	case errors.Is(err, helpdesk.ErrRefused), errors.Is(err, errNoTicket):
		return Verdict{Means: Dead, Reason: err.Error()}
	default:
		return Verdict{Means: InDoubt, Reason: "the helpdesk did not answer as expected"}
	}
}
