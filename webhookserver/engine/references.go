package engine

import (
	"encoding/json"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// referencedID is the wamid of the message that a message answers, reacts to, edits or deletes; empty if none.
func referencedID(m webhook.Message) string {
	switch {
	case m.Reaction != nil:
		return m.Reaction.MessageID
	case m.Edit != nil:
		return m.Edit.OriginalMessageID
	case m.Revoke != nil:
		return m.Revoke.OriginalMessageID
	case m.Context != nil:
		return m.Context.ID
	}
	return ""
}

// referenced returns the message that a message of a conversation is about, or nil where that is not on record.
func (t taking) referenced(conversationID string, m webhook.Message) (*conversation.Referenced, error) {
	wamid := referencedID(m)
	if wamid == "" {
		return nil, nil
	}
	theirs, found, err := t.tx.Message(wamid)
	if err != nil {
		return nil, err
	}
	if found && theirs.Conversation == conversationID {
		for _, m := range parseValue("messages", theirs.Body).Messages {
			return &conversation.Referenced{Text: m.Describe()}, nil
		}
	}
	ours, found, err := t.tx.EffectByRemoteID(wamid)
	if err == nil && found && ours.SendText != nil && ours.Conversation == conversationID {
		return &conversation.Referenced{Text: ours.SendText.Text}, nil
	}
	return nil, err
}

// parseValue reads one element of a list of a webhook's value that was kept as received. What cannot be read is left
// out.
func parseValue(list string, element []byte) webhook.Value {
	value, err := json.Marshal(map[string]any{list: []json.RawMessage{element}})
	if err != nil {
		return webhook.Value{}
	}
	whole, err := alone(webhook.Entry{}, webhook.Change{Field: webhook.FieldMessages, Value: webhook.Value{Raw: value}})
	if err != nil {
		return webhook.Value{}
	}
	payload, err := webhook.Parse(whole)
	if err != nil {
		return webhook.Value{}
	}
	return payload.Entries[0].Changes[0].Value
}
