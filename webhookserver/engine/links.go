package engine

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// link returns what leads from a ticket to its conversation, and whether the ticket is this channel's. One that is
// known by its marker alone was opened by a call whose answer has not come.
func (a *Agents) link(tx *store.Tx, t helpdesk.TicketRef) (store.TicketLink, bool, error) {
	link, found, err := tx.TicketLink(a.Helpdesk, t.ID)
	if err != nil || found {
		return link, found, err
	}
	cut := strings.LastIndexByte(t.Marker, '/')
	if cut < 0 {
		return link, false, nil
	}
	epoch, err := strconv.Atoi(t.Marker[cut+1:])
	if err != nil {
		return link, false, nil
	}
	state, there, err := tx.Conversation(t.Marker[:cut])
	if err != nil || !there || epoch < 1 || epoch > state.Epoch {
		return link, false, err
	}
	// A marker names one ticket. A second one that carries it, such as a copy that an agent made, is none of ours.
	if _, another, err := tx.TicketOf(a.Helpdesk, state.ID, epoch); err != nil || another {
		return link, false, err
	}
	link = store.TicketLink{
		Helpdesk: a.Helpdesk, Ticket: t.ID, Conversation: state.ID, Epoch: epoch, Open: state.Open && state.Epoch == epoch,
	}
	return link, true, tx.LinkTicket(link)
}

// Merged implements helpdesk.Agents.
func (a *Agents) Merged(ctx context.Context, t helpdesk.TicketRef, into string) (bool, error) {
	return a.about(ctx, t, func(tx *store.Tx, from store.TicketLink) error {
		if from.MergedInto == into || into == from.Ticket {
			return nil
		}
		target, known, err := tx.TicketLink(a.Helpdesk, into)
		if err != nil {
			return err
		}
		another := known && target.Conversation != from.Conversation
		if !another && (!known || target.Epoch < from.Epoch) {
			// The conversation goes on where it was going on.
			target = store.TicketLink{
				Helpdesk: a.Helpdesk, Ticket: into, Conversation: from.Conversation, Epoch: from.Epoch, Open: from.Open,
			}
			if err := tx.LinkTicket(target); err != nil {
				return err
			}
		}
		from.MergedInto, from.Open = into, false
		if err := tx.LinkTicket(from); err != nil || !another {
			return err
		}
		return a.mergedWithAnother(tx, from, target)
	})
}

// mergedWithAnother ends the part of a customer whose ticket became part of another customer's. Nobody could tell whom
// a reply on it is for.
func (a *Agents) mergedWithAnother(tx *store.Tx, from, into store.TicketLink) error {
	if err := a.endSilently(tx, from); err != nil {
		return err
	}
	return a.apply(tx, into.Conversation, conversation.Noted{
		ID: conversation.TicketMarker(from.Conversation, from.Epoch) + "/merged", Epoch: into.Epoch,
		Text: "The ticket of another WhatsApp customer was merged into this one. What you reply here goes only to the " +
			"customer whom this ticket was opened for. When the other one writes again, a new ticket is opened.",
	})
}

// Tickets implements helpdesk.Agents.
func (a *Agents) Tickets(ctx context.Context, ids []string) (map[string]helpdesk.Known, error) {
	known := map[string]helpdesk.Known{}
	err := a.Store.View(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			link, found, err := tx.TicketLink(a.Helpdesk, id)
			if err != nil {
				return err
			}
			if found {
				known[id] = helpdesk.Known{Conversation: link.Conversation, Epoch: link.Epoch, Open: link.Open}
			}
		}
		return nil
	})
	return known, err
}

// OpenTickets implements helpdesk.Agents.
func (a *Agents) OpenTickets(ctx context.Context, after string, limit int) (ids []string, err error) {
	err = a.Store.View(ctx, func(tx *store.Tx) error {
		ids, err = tx.OpenLinks(a.Helpdesk, after, limit)
		return err
	})
	return ids, err
}

// Taken implements helpdesk.Agents.
func (a *Agents) Taken(ctx context.Context, articles []string) (map[string]bool, error) {
	taken := map[string]bool{}
	err := a.Store.View(ctx, func(tx *store.Tx) error {
		for _, id := range articles {
			found, err := tx.HasAgentArticle(a.Helpdesk, id)
			if err != nil {
				return err
			}
			if found {
				taken[id] = true
			}
		}
		return nil
	})
	return taken, err
}

// Opened notes that the ticket of an epoch is in a helpdesk.
func Opened(tx *store.Tx, identity, ticket string, e store.Effect) error {
	_, known, err := tx.TicketLink(identity, ticket)
	if err != nil || known {
		return err
	}
	state, _, err := tx.Conversation(e.Conversation)
	if err != nil {
		return err
	}
	return tx.LinkTicket(store.TicketLink{
		Helpdesk: identity, Ticket: ticket, Conversation: e.Conversation, Epoch: e.Epoch,
		Open: state.Open && state.Epoch == e.Epoch,
	})
}

// Continued notes that the ticket of an epoch goes on in a new one, because the one before is gone or in another
// helpdesk, and says so there. The customer's messages go to it even if the one before was closed.
func Continued(tx *store.Tx, identity, ticket string, e store.Effect, settings conversation.Settings, now time.Time) error {
	if err := Apply(tx, e.Conversation, conversation.TicketReopened{Epoch: e.Epoch, Settings: settings}, now); err != nil {
		return err
	}
	if err := Opened(tx, identity, ticket, e); err != nil {
		return err
	}
	return Apply(tx, e.Conversation, conversation.Noted{
		ID: e.Key + "/continued", Epoch: e.Epoch,
		Text: "This ticket goes on for an earlier one, which was deleted or is in another helpdesk. What was written before is not here.",
	}, now)
}
