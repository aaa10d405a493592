// Package inbox is the built-in helpdesk: tickets stay in the receiver's own store, and agents work on them through
// the private API.
package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Inbox is the built-in helpdesk.
type Inbox struct {
	Store store.Data
	Clock clock.Clock
	// Settings returns what the channel's declaration says about conversations at present; nil if nothing.
	Settings func() conversation.Settings
}

var _ helpdesk.Helpdesk = (*Inbox)(nil)

// Identity implements helpdesk.Helpdesk.
func (i *Inbox) Identity() string { return (*config.Helpdesk)(nil).Identity() }

// Within returns the inbox as part of a transaction of the store that it is in.
func (i *Inbox) Within(data store.Data) helpdesk.Helpdesk {
	within := *i
	within.Store = data
	return &within
}

// Check implements helpdesk.Helpdesk: what is in the receiver's own store is always there.
func (i *Inbox) Check(context.Context) helpdesk.Health {
	return helpdesk.Health{
		Ready: true, Reason: helpdesk.ReasonReady, Message: "Tickets are kept in the receiver's own inbox.",
	}
}

// WaitsForFiles implements helpdesk.Helpdesk.
func (i *Inbox) WaitsForFiles() time.Duration { return 0 }

// Settles implements helpdesk.Helpdesk.
func (i *Inbox) Settles() time.Duration { return 0 }

// Doorbell implements helpdesk.Helpdesk: agents work through the private API.
func (i *Inbox) Doorbell() http.Handler { return nil }

// Run implements helpdesk.Helpdesk.
func (i *Inbox) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// OpenTicket implements helpdesk.Helpdesk.
func (i *Inbox) OpenTicket(ctx context.Context, t helpdesk.Ticket) (string, error) {
	now := i.Clock.Now()
	var id int64
	err := i.Store.Update(ctx, func(tx *store.Tx) (err error) {
		id, err = tx.AddTicket(store.Ticket{
			Marker: t.Marker, Conversation: t.Conversation, Epoch: t.Epoch, Group: t.Group,
			Title: helpdesk.Title(t.Customer), Customer: t.Customer, State: store.TicketOpen, CreatedAt: now,
		})
		if err != nil {
			return err
		}
		return addArticle(tx, id, t.Article, "", i.Clock)
	})
	return strconv.FormatInt(id, 10), err
}

// AddArticle implements helpdesk.Helpdesk.
func (i *Inbox) AddArticle(ctx context.Context, ticketID string, a helpdesk.Article) error {
	id, err := parseID(ticketID)
	if err != nil {
		return err
	}
	var delivery conversation.Delivery
	if a.Author == conversation.AuthorChannel {
		delivery = conversation.Queued
	}
	return i.Store.Update(ctx, func(tx *store.Tx) error {
		if err := addArticle(tx, id, a.Article, delivery, i.Clock); err != nil || !a.WantsAgent() {
			return err
		}
		return i.reopen(tx, id)
	})
}

// reopen opens a ticket that an agent closed before a message got there.
func (i *Inbox) reopen(tx *store.Tx, id int64) error {
	now := i.Clock.Now()
	ticket, found, err := tx.Ticket(id)
	if err != nil || !found || ticket.State != store.TicketClosed {
		return err
	}
	if err := tx.SetTicketState(id, store.TicketOpen, now); err != nil {
		return err
	}
	ticket.State = store.TicketOpen
	return engine.Apply(tx, ticket.Conversation, i.event(ticket), now)
}

func addArticle(tx *store.Tx, ticket int64, a conversation.Article, delivery conversation.Delivery, c clock.Clock) error {
	if err := tx.AddArticle(ticket, store.Article{
		Marker: a.ID, Author: a.Author, Type: a.Type, Text: a.Text, WrittenAt: a.WrittenAt, Delivery: delivery,
	}, c.Now()); err != nil {
		return err
	}
	return tx.AddAttachments(a.ID, a.Attachments)
}

// SetDelivery implements helpdesk.Helpdesk.
func (i *Inbox) SetDelivery(ctx context.Context, _ string, d helpdesk.Delivery) error {
	return i.Store.Update(ctx, func(tx *store.Tx) error { return tx.SetDelivery(d.SetDelivery) })
}

// SetAttachment implements helpdesk.Helpdesk.
func (i *Inbox) SetAttachment(ctx context.Context, _ string, a conversation.SetAttachment) error {
	return i.Store.Update(ctx, func(tx *store.Tx) error { return tx.SetAttachment(a.Attachment) })
}

// SetState implements helpdesk.Helpdesk.
func (i *Inbox) SetState(ctx context.Context, ticketID string, state conversation.TicketState) error {
	id, err := parseID(ticketID)
	if err != nil {
		return err
	}
	return i.Store.Update(ctx, func(tx *store.Tx) error {
		ticket, found, err := tx.Ticket(id)
		// An agent who closed the ticket meanwhile did so later than what this is about.
		if err != nil || !found || ticket.State == store.TicketClosed {
			return err
		}
		return tx.SetTicketState(id, state, i.Clock.Now())
	})
}

// FindTicket implements helpdesk.Helpdesk.
func (i *Inbox) FindTicket(ctx context.Context, marker string) (id string, found bool, err error) {
	err = i.Store.View(ctx, func(tx *store.Tx) error {
		var t store.Ticket
		t, found, err = tx.TicketByMarker(marker)
		id = strconv.FormatInt(t.ID, 10)
		return err
	})
	return id, found, err
}

// FindArticle implements helpdesk.Helpdesk.
func (i *Inbox) FindArticle(ctx context.Context, _, articleID string) (found bool, err error) {
	err = i.Store.View(ctx, func(tx *store.Tx) error {
		found, err = tx.HasArticle(articleID)
		return err
	})
	return found, err
}

func parseID(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, &helpdesk.Error{Means: helpdesk.Refused, Reason: helpdesk.ReasonRejected, Message: "The ticket's ID is not one of the inbox.", Err: err}
	}
	return n, nil
}

// Reply writes an agent's reply on a ticket and queues it for the customer, with files that are kept already. The same
// key always means the same reply: a repeated call returns the article that is there, and sends nothing.
func (i *Inbox) Reply(ctx context.Context, ticketID int64, key, text string, files ...conversation.File) (store.Article, error) {
	text = strings.TrimSpace(text)
	if text == "" && len(files) == 0 {
		return store.Article{}, engine.ErrEmptyReply
	}
	now := i.Clock.Now()
	requestKey := "reply/" + strconv.FormatInt(ticketID, 10) + "/" + key
	content := []string{text}
	article := conversation.Article{Author: conversation.AuthorAgent, Text: text, WrittenAt: now}
	for _, f := range files {
		content = append(content, f.ID)
		article.Attachments = append(article.Attachments, conversation.Attachment{File: f, State: conversation.AttachmentKept})
	}
	same := fingerprint(strings.Join(content, "\x00"))
	var written store.Article
	err := i.Store.Update(ctx, func(tx *store.Tx) error {
		ticket, found, err := tx.Ticket(ticketID)
		if err != nil {
			return err
		}
		if !found {
			return engine.ErrNoTicket
		}
		id := engine.ReplyID(ticket.Conversation, requestKey)
		noted, _, fresh, err := tx.RememberRequest(requestKey, same, id, now)
		if err != nil {
			return err
		}
		if noted != same {
			return engine.ErrKeyReused
		}
		if fresh {
			article.ID = id
			if err := addArticle(tx, ticketID, article, conversation.Queued, i.Clock); err != nil {
				return err
			}
			event := conversation.ReplyWritten{ID: id, Epoch: ticket.Epoch, Text: text, Files: files}
			if err := engine.Apply(tx, ticket.Conversation, event, now); err != nil {
				return err
			}
		}
		written, _, err = tx.Article(id)
		return err
	})
	return written, err
}

// ErrSuperseded means that a ticket cannot be opened again because the customer has a newer one.
var ErrSuperseded = errors.New("the customer has a newer ticket")

// Change brings a ticket into a state on behalf of an agent, and lets the conversation know. A change to the state that
// it is in changes nothing.
func (i *Inbox) Change(ctx context.Context, ticketID int64, to store.TicketState) (store.Ticket, error) {
	now := i.Clock.Now()
	var ticket store.Ticket
	err := i.Store.Update(ctx, func(tx *store.Tx) (err error) {
		var found bool
		if ticket, found, err = tx.Ticket(ticketID); err != nil {
			return err
		}
		if !found {
			return engine.ErrNoTicket
		}
		if ticket.State == to {
			return nil
		}
		if to != store.TicketClosed {
			// Its messages would go on to the newer one.
			state, _, err := tx.Conversation(ticket.Conversation)
			if err != nil {
				return err
			}
			if state.Epoch != ticket.Epoch {
				return ErrSuperseded
			}
		}
		if err := tx.SetTicketState(ticketID, to, now); err != nil {
			return err
		}
		ticket.State, ticket.UpdatedAt = to, now
		return engine.Apply(tx, ticket.Conversation, i.event(ticket), now)
	})
	return ticket, err
}

// event says what the conversation is told of a ticket's new state.
func (i *Inbox) event(t store.Ticket) conversation.Event {
	var settings conversation.Settings
	if i.Settings != nil {
		settings = i.Settings()
	}
	switch t.State {
	case store.TicketClosed:
		return conversation.TicketClosed{Epoch: t.Epoch, Settings: settings}
	case store.TicketPending:
		return conversation.TicketPending{Epoch: t.Epoch, Settings: settings}
	default:
		return conversation.TicketReopened{Epoch: t.Epoch, Settings: settings}
	}
}

func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
