package engine

import (
	"cmp"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// sender is who a message is from, in the ways that it tells.
type sender struct{ userID, previousUserID, phone string }

func senderOf(m webhook.Message, contact webhook.Contact) sender {
	s := sender{
		userID: cmp.Or(m.FromUserID, contact.UserID),
		phone:  cmp.Or(conversation.Digits(m.From), conversation.Digits(contact.WAID)),
	}
	if m.System != nil {
		s.previousUserID = m.System.PreviousUserID
	}
	return s
}

func (s sender) known() bool { return s.userID != "" || s.phone != "" || s.previousUserID != "" }

// conversationOf returns the sender's conversation, or a new one. The user ID decides; a phone number leads to a
// conversation only as long as that has no other user ID, for numbers change hands.
func conversationOf(tx *store.Tx, s sender) (conversation.State, error) {
	for _, userID := range []string{s.userID, s.previousUserID} {
		id, err := tx.ConversationOf(store.UserID, userID)
		if err != nil {
			return conversation.State{}, err
		}
		if id != "" {
			return Load(tx, id)
		}
	}
	id, err := tx.ConversationOf(store.Phone, s.phone)
	if err != nil {
		return conversation.State{}, err
	}
	if id != "" {
		state, err := Load(tx, id)
		if err != nil || s.userID == "" || state.Customer.UserID == "" {
			return state, err
		}
	}
	id, err = newID()
	return conversation.State{ID: id}, err
}

// lead makes the identities that a message showed lead to its conversation.
func (t taking) lead(conversationID string, from sender, m webhook.Message) error {
	if err := errors.Join(
		t.tx.Lead(store.UserID, from.userID, conversationID), t.tx.Lead(store.Phone, from.phone, conversationID),
	); err != nil || m.System == nil {
		return err
	}
	return errors.Join(
		t.follow(store.UserID, m.System.UserID, conversationID, m.Timestamp),
		t.follow(store.Phone, conversation.Digits(m.System.WAID), conversationID, m.Timestamp),
	)
}

// follow makes a customer's new identity lead to the conversation, unless someone has written under it since: then
// the news of the change came late, and whoever wrote goes on where they are.
func (t taking) follow(kind store.IdentityKind, value, conversationID string, changedAt time.Time) error {
	other, err := t.tx.ConversationOf(kind, value)
	if err != nil {
		return err
	}
	if other != "" && other != conversationID {
		state, err := Load(t.tx, other)
		if err != nil || !state.LastMessageAt.Before(changedAt) {
			return err
		}
	}
	return t.tx.Lead(kind, value, conversationID)
}

// newID makes the ID of a conversation. IDs of conversations that begin at about the same time are next to each other in
// the indexes of the store, which then writes fewer pages for them.
func newID() (string, error) {
	id, err := uuid.NewV7()
	return id.String(), err
}
