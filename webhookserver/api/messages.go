package api

import (
	"net/http"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// showMessage says how far a customer's message has got on its way to a ticket, whatever the helpdesk is.
func (h *Handler) showMessage(r *http.Request) (any, error) {
	var shown wire.Message
	err := h.Store.View(r.Context(), func(tx *store.Tx) error {
		m, found, err := tx.Message(r.PathValue("id"))
		if err != nil {
			return err
		}
		if !found {
			return &problem{http.StatusNotFound, "not-found",
				"No message with this ID was taken up. It may wait in the backlog, be in quarantine, or never have arrived."}
		}
		shown = wire.Message{ID: m.WAMID, Type: m.Type, ReceivedAt: m.ReceivedAt, State: wire.MessageRecorded}
		e, found, err := effectOf(tx, m)
		if err != nil || !found {
			return err
		}
		shown.Attempts, shown.Error = e.Attempts, e.Error
		switch e.State {
		case store.EffectDone:
			shown.State = wire.MessageOnTicket
		case store.EffectDead, store.EffectGivenUp:
			shown.State = wire.MessageDeadLetter
		default:
			shown.State = wire.MessageWaiting
		}
		opened, _, err := tx.EffectByKey(conversation.TicketKey(e.Conversation, e.Epoch))
		shown.Ticket = opened.RemoteID
		return err
	})
	return shown, err
}

// effectOf returns the effect that shows a message on a ticket: an article, or the opening of a ticket with it.
func effectOf(tx *store.Tx, m store.Message) (store.Effect, bool, error) {
	e, found, err := tx.EffectByKey(conversation.ArticleKey(m.WAMID))
	if err != nil || found {
		return e, found, err
	}
	state, _, err := tx.Conversation(m.Conversation)
	if err != nil {
		return e, false, err
	}
	for epoch := state.Epoch; epoch > 0; epoch-- {
		e, found, err := tx.EffectByKey(conversation.TicketKey(m.Conversation, epoch))
		if err != nil || (found && e.OpenTicket.Article.ID == m.WAMID) {
			return e, found, err
		}
	}
	return e, false, nil
}
