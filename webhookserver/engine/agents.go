package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Agents lets happen to conversations what agents do in a helpdesk outside.
type Agents struct {
	Store store.Store
	Clock clock.Clock
	// Helpdesk is the identity of the helpdesk.
	Helpdesk string
	// Settings returns what the channel's declaration says about conversations at present.
	Settings func() conversation.Settings
	// Changed is called when there may be new effects.
	Changed func()
}

var _ helpdesk.Agents = (*Agents)(nil)

// ReplyID names a reply for good by where it came from. It is part of effect keys, which are sent to WhatsApp, so that
// it has to be unique beyond its ticket and tell nothing.
func ReplyID(conversationID, source string) string {
	sum := sha256.Sum256([]byte(source))
	return conversationID + "/reply/" + hex.EncodeToString(sum[:])[:24]
}

// Replied implements helpdesk.Agents.
func (a *Agents) Replied(ctx context.Context, r helpdesk.Reply) (bool, error) {
	return a.about(ctx, r.Ticket, func(tx *store.Tx, link store.TicketLink) error {
		id := ReplyID(link.Conversation, a.Helpdesk+"/"+r.Article)
		fresh, err := tx.AddAgentArticle(a.Helpdesk, r.Article, link.Conversation, id)
		if err != nil || !fresh {
			return err
		}
		return a.apply(tx, link.Conversation, conversation.ReplyWritten{
			ID: id, Epoch: link.Epoch, Text: r.Text, Files: r.Files, Refused: r.Refused,
		})
	})
}

// InState implements helpdesk.Agents.
func (a *Agents) InState(ctx context.Context, t helpdesk.TicketRef, found conversation.TicketState) (bool, error) {
	// Most tickets are found as they were, which costs no writing.
	var same bool
	if err := a.Store.View(ctx, func(tx *store.Tx) error {
		link, known, err := tx.TicketLink(a.Helpdesk, t.ID)
		if err == nil && known {
			same, err = a.follows(tx, link, found)
		}
		return err
	}); err != nil || same {
		return same, err
	}
	return a.about(ctx, t, func(tx *store.Tx, link store.TicketLink) error {
		if same, err := a.follows(tx, link, found); err != nil || same {
			return err
		}
		link.Open = found != conversation.TicketIsClosed
		if err := tx.LinkTicket(link); err != nil {
			return err
		}
		return a.apply(tx, link.Conversation, inState(link.Epoch, found, a.Settings()))
	})
}

func inState(epoch int, state conversation.TicketState, settings conversation.Settings) conversation.Event {
	switch state {
	case conversation.TicketIsClosed:
		return conversation.TicketClosed{Epoch: epoch, Settings: settings}
	case conversation.TicketIsPending:
		return conversation.TicketPending{Epoch: epoch, Settings: settings}
	default:
		return conversation.TicketReopened{Epoch: epoch, Settings: settings}
	}
}

// follows tells whether a conversation has nothing to do about the state that a ticket was found in: it knows, or its
// messages have gone on to a newer ticket.
func (a *Agents) follows(tx *store.Tx, link store.TicketLink, found conversation.TicketState) (bool, error) {
	if link.MergedInto != "" {
		return true, nil
	}
	state, there, err := tx.Conversation(link.Conversation)
	if err != nil || !there || state.Epoch != link.Epoch {
		return true, err
	}
	return stateOf(state) == found && link.Open == state.Open, nil
}

func stateOf(s conversation.State) conversation.TicketState {
	switch {
	case !s.Open:
		return conversation.TicketIsClosed
	case s.Pending:
		return conversation.TicketIsPending
	default:
		return conversation.TicketIsOpen
	}
}

// Gone implements helpdesk.Agents.
func (a *Agents) Gone(ctx context.Context, t helpdesk.TicketRef) (bool, error) {
	return a.about(ctx, t, func(tx *store.Tx, link store.TicketLink) error {
		if err := tx.UnlinkTicket(a.Helpdesk, t.ID); err != nil {
			return err
		}
		return a.endSilently(tx, link)
	})
}

// endSilently closes the ticket of an epoch without a word to the customer.
func (a *Agents) endSilently(tx *store.Tx, link store.TicketLink) error {
	return a.apply(tx, link.Conversation, conversation.TicketClosed{Epoch: link.Epoch, Settings: a.Settings(), Silent: true})
}

// about runs fn, in a transaction, if a ticket is this channel's.
func (a *Agents) about(ctx context.Context, t helpdesk.TicketRef, fn func(*store.Tx, store.TicketLink) error) (ours bool, err error) {
	err = a.Store.Update(ctx, func(tx *store.Tx) error {
		var link store.TicketLink
		if link, ours, err = a.link(tx, t); err != nil || !ours {
			return err
		}
		return fn(tx, link)
	})
	if err == nil && ours {
		a.Changed()
	}
	return ours && err == nil, err
}

func (a *Agents) apply(tx *store.Tx, conversationID string, event conversation.Event) error {
	if err := Apply(tx, conversationID, event, a.Clock.Now()); err != nil {
		return fmt.Errorf("take up what an agent did: %w", err)
	}
	return nil
}
