package wire

import "time"

// Conversation is a conversation with one customer, whatever the helpdesk is.
type Conversation struct {
	ID string `json:"id"`
	// State is that of its present ticket: open, pending or closed.
	State    string   `json:"state"`
	Customer Customer `json:"customer"`
	// WindowEndsAt is when WhatsApp stops accepting replies, unless the customer writes again.
	WindowEndsAt *time.Time `json:"windowEndsAt,omitempty"`
}
