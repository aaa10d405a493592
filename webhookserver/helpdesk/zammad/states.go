package zammad

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// state is one of Zammad's ticket states. Their IDs and names differ from one Zammad to another, their types do not.
type state struct {
	ID              int    `json:"id"`
	Type            string `json:"state_type"`
	TypeID          int    `json:"state_type_id"`
	DefaultFollowUp bool   `json:"default_follow_up"`
	Active          bool   `json:"active"`
}

// The types of states.
const (
	typeNew             = "new"
	typeOpen            = "open"
	typePendingReminder = "pending reminder"
	typePendingAction   = "pending action"
	typeClosed          = "closed"
	typeMerged          = "merged"
	typeRemoved         = "removed"
)

// typeNames are the types in the order in which every Zammad was seeded with them, for answers without their names.
var typeNames = []string{typeNew, typeOpen, typePendingReminder, typePendingAction, typeClosed, typeMerged, typeRemoved}

func (s state) kind() string {
	if s.Type != "" || s.TypeID < 1 || s.TypeID > len(typeNames) {
		return s.Type
	}
	return typeNames[s.TypeID-1]
}

type states []state

// kind returns the type of a state by its ID.
func (all states) kind(id int) string {
	i := slices.IndexFunc(all, func(s state) bool { return s.ID == id })
	if i < 0 {
		return ""
	}
	return all[i].kind()
}

// followUp is the state of a ticket that goes on.
func (all states) followUp() int {
	for _, fits := range []func(state) bool{
		func(s state) bool { return s.Active && s.DefaultFollowUp },
		func(s state) bool { return s.Active && s.kind() == typeOpen },
	} {
		if i := slices.IndexFunc(all, fits); i >= 0 {
			return all[i].ID
		}
	}
	return 0
}

// of is the first state that is in use of a type.
func (all states) of(kind string) int {
	if i := slices.IndexFunc(all, func(s state) bool { return s.Active && s.kind() == kind }); i >= 0 {
		return all[i].ID
	}
	return 0
}

// stateOf says what a type of state is to a conversation; false for those that are none.
func stateOf(kind string) (conversation.TicketState, bool) {
	switch kind {
	case typeNew, typeOpen:
		return conversation.TicketIsOpen, true
	case typePendingReminder, typePendingAction:
		return conversation.TicketIsPending, true
	case typeClosed, typeRemoved:
		return conversation.TicketIsClosed, true
	}
	return "", false
}

// statesFor is how long the states are remembered: administrators change them rarely.
const statesFor = time.Hour

// states returns Zammad's states.
func (h *Helpdesk) states(ctx context.Context) (states, error) {
	h.mu.Lock()
	known, until := h.knownStates, h.statesUntil
	h.mu.Unlock()
	if known != nil && h.receiver.Clock.Now().Before(until) {
		return known, nil
	}
	var all states
	if err := h.client.get(ctx, "/ticket_states", url.Values{"expand": {"true"}}, &all); err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.knownStates, h.statesUntil = all, h.receiver.Clock.Now().Add(statesFor)
	h.mu.Unlock()
	return all, nil
}
