// Package engine lets events happen to stored conversations: it loads a conversation, steps it, and stores the result
// with the effects that the step wants, in the caller's transaction. The Processor does so with stored webhooks.
package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// ErrNoConversation means that an event is about a conversation that is not there.
var ErrNoConversation = errors.New("there is no such conversation")

// Load returns a conversation that has to be there; the error is ErrNoConversation if it is not.
func Load(tx *store.Tx, id string) (conversation.State, error) {
	state, found, err := tx.Conversation(id)
	if err == nil && !found {
		err = ErrNoConversation
	}
	return state, err
}

// Apply lets an event happen to a conversation.
func Apply(tx *store.Tx, id string, event conversation.Event, now time.Time) error {
	_, err := applyTo(tx, id, event, now)
	return err
}

// applyTo returns how many effects the event wanted of a conversation.
func applyTo(tx *store.Tx, id string, event conversation.Event, now time.Time) (int, error) {
	state, err := Load(tx, id)
	if err != nil {
		return 0, err
	}
	return apply(tx, state, event, now)
}

// apply returns how many effects the event wanted.
func apply(tx *store.Tx, state conversation.State, event conversation.Event, now time.Time) (int, error) {
	next, effects := conversation.Step(state, event, now)
	if err := tx.SaveConversation(next, now); err != nil {
		return 0, fmt.Errorf("save a conversation: %w", err)
	}
	if err := tx.AddEffects(next.ID, effects, now); err != nil {
		return 0, fmt.Errorf("queue effects: %w", err)
	}
	return len(effects), nil
}
