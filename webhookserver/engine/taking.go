package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// taking is the processing of webhooks in a transaction.
type taking struct {
	tx      *store.Tx
	channel config.Channel
	now     time.Time
	heard   func(store.Effect, webhook.Status)
	// awaitsAnswer tells whether a message was sent whose wamid is not known. A call that is begun later than the
	// transaction sends no message that one of its webhooks is about.
	awaitsAnswer func() (bool, error)
	// receivedAt is when the webhook came that is being processed.
	receivedAt time.Time
}

func (p *Processor) taking(tx *store.Tx, channel config.Channel) taking {
	return taking{
		tx: tx, channel: channel, now: p.Clock.Now(), heard: p.Heard,
		awaitsAnswer: sync.OnceValues(func() (bool, error) { return tx.AwaitsAnswer(conversation.Graph) }),
	}
}

// webhook processes one webhook.
func (t taking) webhook(row parsed) (err error) {
	defer func() {
		// The webhook goes into quarantine. Ending the process would bring it up again at every start.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %T", errPanicked, cause)
		}
	}()
	t.receivedAt = row.ReceivedAt
	if row.err != nil {
		return t.quarantine(store.NotUnderstood, row.err.Error(), row.Body)
	}
	return t.payload(row.payload)
}

func (t taking) quarantine(reason store.QuarantineReason, detail string, body []byte) error {
	return t.tx.Quarantine(store.Quarantined{ReceivedAt: t.receivedAt, Reason: reason, Detail: detail, Body: body})
}

// record keeps something that belongs to no ticket. What has an occasion is kept once, however often Meta repeats it.
func (t taking) record(field, occasion string, body []byte) error {
	return t.tx.AddRecord(store.Record{ReceivedAt: t.receivedAt, Field: field, Occasion: occasion, Body: body})
}

func (t taking) payload(p webhook.Payload) error {
	for _, b := range p.Broken {
		if err := t.quarantine(store.NotUnderstood, b.Path+": "+b.Reason, b.Raw); err != nil {
			return err
		}
	}
	for _, entry := range p.Entries {
		for _, change := range entry.Changes {
			if err := t.change(entry, change); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t taking) change(entry webhook.Entry, change webhook.Change) error {
	value := change.Value
	// News of the account names no number; what names another one is not for this channel.
	number := value.Metadata.PhoneNumberID
	if number != t.channel.PhoneNumber.ID && (number != "" || change.Field == webhook.FieldMessages) {
		body, err := alone(entry, change)
		if err != nil {
			return err
		}
		return t.quarantine(store.OtherNumber, "the webhook is for another phone number ID than the channel's", body)
	}
	if change.Field != webhook.FieldMessages {
		if err := t.neighbour(change); err != nil {
			return err
		}
		return t.record(cmp.Or(change.Field, "(none)"), fmt.Sprintf("%s at %d", entry.BusinessAccountID, entry.Time.Unix()), value.Raw)
	}
	errorsShown := false
	for _, m := range value.Messages {
		if len(value.Messages) == 1 && len(m.Errors) == 0 {
			// Errors beside one message are that message's.
			m.Errors, errorsShown = value.Errors, true
		}
		if err := t.message(value, m); err != nil {
			return err
		}
	}
	for _, s := range value.Statuses {
		if err := t.status(s); err != nil {
			return err
		}
	}
	// What is about no message is kept, and so is what is new to this version.
	if (len(value.Errors) > 0 && !errorsShown) || len(value.Messages)+len(value.Statuses) == 0 {
		// Errors that belong to no message carry no time: each may be news.
		return t.record(change.Field, "", value.Raw)
	}
	return nil
}

// alone makes a webhook of one change, so that it can be posted again to where it belongs.
func alone(entry webhook.Entry, change webhook.Change) ([]byte, error) {
	return json.Marshal(map[string]any{
		"object": webhook.Object,
		"entry": []any{map[string]any{
			"id":      entry.BusinessAccountID,
			"changes": []any{map[string]any{"field": change.Field, "value": change.Value.Raw}},
		}},
	})
}

func (t taking) message(value webhook.Value, m webhook.Message) error {
	if m.GroupID != "" {
		// A group is not a customer, so its messages must not land on a customer's ticket.
		return t.record("group message", m.ID, m.Raw)
	}
	contact, found := value.ContactOf(m)
	from := senderOf(m, contact)
	if !found && !from.known() && len(value.Contacts) == 1 {
		// A message that does not name its sender is the only contact's.
		contact = value.Contacts[0]
		from = senderOf(m, contact)
	}
	if !from.known() {
		return t.quarantine(store.NotUnderstood, "the message names no sender", m.Raw)
	}
	before, repeated, err := t.tx.Message(m.ID)
	if err != nil {
		return err
	}
	if repeated {
		// Meta repeats webhooks for days. A message whose type or time differs is not a repetition, whatever its ID says.
		if before.Type != m.Type || !before.SentAt.Equal(m.Timestamp) {
			return t.quarantine(store.Contradictory, "another message with this ID was received before", m.Raw)
		}
		return nil
	}
	state, err := conversationOf(t.tx, from)
	if err != nil {
		return fmt.Errorf("find the conversation: %w", err)
	}
	about, err := t.referenced(state.ID, m)
	if err != nil {
		return fmt.Errorf("find the message that a message refers to: %w", err)
	}
	event := conversation.MessageReceived{Message: m, Contact: contact, About: about, Settings: SettingsOf(t.channel)}
	effects, err := apply(t.tx, state, event, t.now)
	if err != nil {
		return err
	}
	if err := t.lead(state.ID, from, m); err != nil {
		return fmt.Errorf("lead a customer to the conversation: %w", err)
	}
	if effects == 0 {
		// It is about a ticket, and there is none.
		if err := t.record(m.Type+" without a ticket", m.ID, m.Raw); err != nil {
			return err
		}
	}
	return t.tx.AddMessage(store.Message{
		WAMID: m.ID, Conversation: state.ID, Type: m.Type, SentAt: m.Timestamp, ReceivedAt: t.receivedAt, Body: m.Raw,
	})
}

func (t taking) status(s webhook.Status) error {
	if s.RecipientType == "group" {
		return t.record("group status", s.ID, s.Raw)
	}
	// This comes first, because a call may be answered meanwhile.
	awaits, err := t.awaitsAnswer()
	if err != nil {
		return err
	}
	// The opaque data comes before the wamid: a status may arrive before the call that sent the message has returned that.
	e, found, err := t.tx.EffectByKey(s.BizOpaqueCallbackData)
	if err == nil && !found {
		e, found, err = t.tx.EffectByRemoteID(s.ID)
	}
	if err != nil {
		return err
	}
	switch {
	case found && e.SendText != nil:
	case awaits:
		return t.tx.AddStatus(s.ID, s.Status, s.Raw, t.receivedAt)
	default:
		return t.tx.AddForeignStatus(s.ID, s.Status, s.Raw, t.receivedAt)
	}
	// Any status proves that the message was sent, which ends all doubt.
	if err := t.tx.ConfirmEffect(e, s.ID, t.now); err != nil {
		return err
	}
	shown, err := applyTo(t.tx, e.Conversation, conversation.StatusReceived{Sent: e.SendText.Part, Status: s}, t.now)
	if err == nil && shown > 0 && t.heard != nil {
		t.heard(e, s)
	}
	return err
}

// ApplyStatuses lets the statuses of a message happen that came before it was known that an effect sent it.
func ApplyStatuses(tx *store.Tx, e store.Effect, wamid string, now time.Time) error {
	bodies, err := tx.TakeStatuses(wamid)
	if err != nil {
		return err
	}
	for _, body := range bodies {
		for _, s := range parseValue("statuses", body).Statuses {
			if err := Apply(tx, e.Conversation, conversation.StatusReceived{Sent: e.SendText.Part, Status: s}, now); err != nil {
				return err
			}
		}
	}
	return nil
}
