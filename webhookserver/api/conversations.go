package api

import (
	"context"
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Conversations is a helpdesk whose agents work through this API.
type Conversations interface {
	// Reply sends the customer of a conversation a reply, with files that are kept already.
	Reply(ctx context.Context, of, key, text string, files ...conversation.File) (conversation.Article, error)
	// Change brings the present ticket of a conversation into a state, and returns the state that it is in then.
	Change(ctx context.Context, of, key string, to conversation.TicketState) (conversation.TicketState, error)
}

// agents returns the helpdesk if its agents work here.
func (h *Handler) agents() (Conversations, error) {
	if c := h.Conversations(); c != nil {
		return c, nil
	}
	return nil, &problem{http.StatusConflict, "elsewhere", "Agents of this channel work in its helpdesk; reply and close the ticket there."}
}

func (h *Handler) showConversation(r *http.Request) (any, error) {
	shown := wire.Conversation{ID: r.PathValue("id"), State: string(conversation.TicketIsClosed)}
	err := h.Store.View(r.Context(), func(tx *store.Tx) error {
		state, found, err := tx.Conversation(shown.ID)
		if err != nil {
			return err
		}
		if !found || state.Epoch == 0 {
			return noConversation()
		}
		switch {
		case state.Pending:
			shown.State = string(conversation.TicketIsPending)
		case state.Open:
			shown.State = string(conversation.TicketIsOpen)
		}
		shown.Customer, shown.WindowEndsAt = customerJSON(state.Customer), optional(state.WindowEnds())
		return nil
	})
	return shown, err
}

func noConversation() error {
	return &problem{http.StatusNotFound, "not-found", "There is no conversation with this ID that has a ticket."}
}

func (h *Handler) replyTo(r *http.Request) (any, error) {
	agents, err := h.agents()
	if err != nil {
		return nil, err
	}
	of := r.PathValue("id")
	article, err := h.takeReply(r, of, func(key, text string, files []conversation.File) (conversation.Article, error) {
		return agents.Reply(r.Context(), of, key, text, files...)
	})
	if err != nil {
		return nil, err
	}
	shown := wire.Article{ID: article.ID, Author: string(article.Author), Text: article.Text, WrittenAt: article.WrittenAt}
	for _, a := range article.Attachments {
		shown.Attachments = append(shown.Attachments, attachmentJSON(a, "/v1/conversations/"+of))
	}
	return shown, nil
}

// takeReply reads a reply with its files, and hands it on. The files of one that is refused are removed. Where it is not certain
// whether a reply was written they may be needed, and go when they are old if they are not.
func (h *Handler) takeReply(
	r *http.Request, to string, send func(key, text string, files []conversation.File) (conversation.Article, error),
) (article conversation.Article, err error) {
	key, err := idempotencyKey(r)
	if err != nil {
		return article, err
	}
	request, uploads, err := h.readReply(r)
	defer func() {
		for _, u := range uploads {
			u.Discard()
		}
	}()
	if err != nil {
		return article, err
	}
	text, err := formatted(request)
	if err != nil {
		return article, err
	}
	files, err := keep(uploads, to, key, text)
	if err != nil {
		return article, err
	}
	article, err = send(key, text, files)
	switch {
	case err == nil:
		h.Changed()
	case errors.Is(err, engine.ErrNoTicket), errors.Is(err, engine.ErrKeyReused), errors.Is(err, engine.ErrEmptyReply):
		h.forget(r, files)
	}
	return article, err
}

func idempotencyKey(r *http.Request) (string, error) {
	key := r.Header.Get(wire.IdempotencyKey)
	if key == "" || utf8.RuneCountInString(key) > maxKey {
		return "", &problem{http.StatusBadRequest, "invalid", "Send a header " + wire.IdempotencyKey +
			" with a value of at most 255 characters that is new for each request, so that a repeated request does nothing twice."}
	}
	return key, nil
}

// changeConversation returns what serves a change of a conversation's present ticket to a state.
func (h *Handler) changeConversation(to conversation.TicketState) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		agents, err := h.agents()
		if err != nil {
			return nil, err
		}
		key, err := idempotencyKey(r)
		if err != nil {
			return nil, err
		}
		if _, err := agents.Change(r.Context(), r.PathValue("id"), key, to); err != nil {
			return nil, err
		}
		h.Changed()
		return h.showConversation(r)
	}
}

// fileOf returns a file that the customer of a conversation sent or an agent attached, as far as it is still on record.
func (h *Handler) fileOf(r *http.Request) (conversation.Attachment, bool, error) {
	var (
		a     conversation.Attachment
		found bool
	)
	err := h.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		a, found, err = tx.FileOf(r.PathValue("id"), r.PathValue("attachment"))
		return err
	})
	return a, found, err
}
