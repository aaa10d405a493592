package inbox

import (
	"context"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Conversations is the inbox for agents who know a conversation, and not which of its tickets is the present one.
type Conversations struct{ *Inbox }

// Reply writes a reply on the present ticket of a conversation; see Inbox.Reply.
func (c Conversations) Reply(ctx context.Context, of, key, text string, files ...conversation.File) (conversation.Article, error) {
	ticket, err := c.present(ctx, of)
	if err != nil {
		return conversation.Article{}, err
	}
	a, err := c.Inbox.Reply(ctx, ticket, key, text, files...)
	article := conversation.Article{ID: a.Marker, Author: a.Author, Text: a.Text, WrittenAt: a.WrittenAt}
	for _, f := range files {
		article.Attachments = append(article.Attachments, conversation.Attachment{File: f, State: conversation.AttachmentKept})
	}
	return article, err
}

// Change brings the present ticket of a conversation into a state. What is so already is not changed, so that the key
// is of no use.
func (c Conversations) Change(ctx context.Context, of, _ string, to conversation.TicketState) (conversation.TicketState, error) {
	ticket, err := c.present(ctx, of)
	if err != nil {
		return "", err
	}
	t, err := c.Inbox.Change(ctx, ticket, to)
	return t.State, err
}

// present returns the present ticket of a conversation.
func (c Conversations) present(ctx context.Context, of string) (id int64, err error) {
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		state, _, err := tx.Conversation(of)
		if err != nil {
			return err
		}
		t, found, err := tx.TicketByMarker(conversation.TicketMarker(of, state.Epoch))
		if err == nil && !found {
			err = engine.ErrNoTicket
		}
		id = t.ID
		return err
	})
	return id, err
}
