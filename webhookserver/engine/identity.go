package engine

import (
	"cmp"
	"crypto/rand"

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
			return load(tx, id)
		}
	}
	id, err := tx.ConversationOf(store.Phone, s.phone)
	if err != nil {
		return conversation.State{}, err
	}
	if id != "" {
		state, err := load(tx, id)
		if err != nil || s.userID == "" || state.Customer.UserID == "" {
			return state, err
		}
	}
	return conversation.State{ID: rand.Text()}, nil
}

func load(tx *store.Tx, id string) (conversation.State, error) {
	state, found, err := tx.Conversation(id)
	if err == nil && !found {
		err = ErrNoConversation
	}
	return state, err
}
