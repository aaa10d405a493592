package engine

import (
	"encoding/json"
	"fmt"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Webhook fields that are about customers without being messages of theirs.
const (
	fieldCalls  = "calls"
	fieldEchoes = "smb_message_echoes"
)

// neighbour shows on the customer's ticket what other webhook fields tell of the conversation. What cannot be read is
// left to the record, which keeps all of them.
func (t taking) neighbour(change webhook.Change) error {
	var value struct {
		Calls  []json.RawMessage `json:"calls"`
		Echoes []json.RawMessage `json:"message_echoes"`
	}
	if json.Unmarshal(change.Value.Raw, &value) != nil {
		return nil
	}
	switch change.Field {
	case fieldCalls:
		for _, call := range value.Calls {
			if err := t.call(change.Value, call); err != nil {
				return err
			}
		}
	case fieldEchoes:
		for _, echo := range value.Echoes {
			if err := t.echo(echo); err != nil {
				return err
			}
		}
	}
	return nil
}

// call takes up a customer's attempt to call, which opens the customer service window like a message.
func (t taking) call(value webhook.Value, raw json.RawMessage) error {
	var call struct {
		Event     string `json:"event"`
		Direction string `json:"direction"`
	}
	if json.Unmarshal(raw, &call) != nil || call.Event != "connect" || call.Direction != "USER_INITIATED" {
		return nil
	}
	for _, m := range parseValue("messages", raw).Messages {
		m.Type = conversation.TypeCall
		if err := t.message(value, m); err != nil {
			return err
		}
	}
	return nil
}

// echo shows what someone wrote to the customer in the WhatsApp Business app. Without a ticket there is nothing that it
// could be shown on.
func (t taking) echo(raw json.RawMessage) error {
	var to struct {
		To     string `json:"to"`
		UserID string `json:"to_user_id"`
	}
	if json.Unmarshal(raw, &to) != nil {
		return nil
	}
	for _, m := range parseValue("messages", raw).Messages {
		id, err := t.tx.ConversationOf(store.UserID, to.UserID)
		if err == nil && id == "" {
			id, err = t.tx.ConversationOf(store.Phone, conversation.Digits(to.To))
		}
		if err != nil || id == "" {
			return err
		}
		if err := Apply(t.tx, id, conversation.EchoReceived{Message: m}, t.now); err != nil {
			return fmt.Errorf("show what was written in the WhatsApp Business app: %w", err)
		}
	}
	return nil
}
