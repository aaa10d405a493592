package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// Conversation returns a conversation, and whether there is one of this ID.
func (tx *Tx) Conversation(id string) (conversation.State, bool, error) {
	var (
		body  []byte
		state conversation.State
	)
	found, err := tx.row(`SELECT state FROM conversation WHERE id = ?`, []any{id}, &body)
	if err != nil || !found {
		return state, false, err
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return state, false, fmt.Errorf("read a conversation's state: %w", err)
	}
	return state, true, nil
}

// SaveConversation creates or replaces a conversation. Its customer's user ID and phone number lead to it, unless they
// lead to another one.
func (tx *Tx) SaveConversation(s conversation.State, now time.Time) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := tx.put(`INSERT INTO conversation (id, state, updated_at, next_wake_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at, next_wake_at = excluded.next_wake_at`,
		s.ID, body, millis(now), millis(s.WakeAt())); err != nil {
		return err
	}
	for kind, value := range map[IdentityKind]string{UserID: s.Customer.UserID, Phone: s.Customer.Phone} {
		if value == "" {
			continue
		}
		if err := tx.put(`INSERT INTO identity (kind, value, conversation) VALUES (?, ?, ?) ON CONFLICT (kind, value) DO NOTHING`,
			string(kind), value, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// Lead makes a user ID or phone number lead to a conversation from now on, because the customer showed it there.
func (tx *Tx) Lead(kind IdentityKind, value, conversationID string) error {
	if value == "" {
		return nil
	}
	return tx.put(`INSERT INTO identity (kind, value, conversation) VALUES (?, ?, ?)
		ON CONFLICT (kind, value) DO UPDATE SET conversation = excluded.conversation WHERE identity.conversation <> excluded.conversation`,
		string(kind), value, conversationID)
}

// IdentityKind is a way to recognise a customer.
type IdentityKind string

// The kinds of identity.
const (
	UserID IdentityKind = "user-id"
	Phone  IdentityKind = "phone"
)

// ConversationOf returns the ID of the conversation that an identity leads to, empty if none.
func (tx *Tx) ConversationOf(kind IdentityKind, value string) (string, error) {
	var id string
	if value == "" {
		return "", nil
	}
	_, err := tx.row(`SELECT conversation FROM identity WHERE kind = ? AND value = ?`, []any{string(kind), value}, &id)
	return id, err
}

// Message is a customer's message.
type Message struct {
	WAMID        string
	Conversation string
	Type         string
	SentAt       time.Time
	ReceivedAt   time.Time
	Body         []byte
}

// AddMessage keeps a message. A message with a wamid that is known stays as it is.
func (tx *Tx) AddMessage(m Message) error {
	return tx.put(`INSERT INTO message (wamid, conversation, type, sent_at, received_at, body)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (wamid) DO NOTHING`,
		m.WAMID, m.Conversation, m.Type, millis(m.SentAt), millis(m.ReceivedAt), notNull(m.Body))
}

// Message returns a customer's message, and whether there is one of this wamid.
func (tx *Tx) Message(wamid string) (Message, bool, error) {
	m := Message{WAMID: wamid}
	var sent, received int64
	found, err := tx.row(`SELECT conversation, type, sent_at, received_at, body FROM message WHERE wamid = ?`, []any{wamid},
		&m.Conversation, &m.Type, &sent, &received, &m.Body)
	m.SentAt, m.ReceivedAt = fromMillis(sent), fromMillis(received)
	return m, found, err
}
