package webhook

import (
	"encoding/json"
	"time"
)

// The statuses known here. They may arrive in any order and more than once,
// and "delivered" may be skipped when a message is read at once.
const (
	StatusSent      = "sent"
	StatusDelivered = "delivered"
	StatusRead      = "read"
	StatusPlayed    = "played"
	StatusFailed    = "failed"
)

// Status tells what became of a message that the business sent.
type Status struct {
	// ID is the wamid of the message, as given when it was sent.
	ID        string
	Status    string
	Timestamp time.Time
	// RecipientID is the customer's phone number in digits, or the group's id;
	// empty where the customer hides the number.
	RecipientID string
	// RecipientUserID is the customer's business-scoped user id. It is absent
	// from a failed status of a message that was sent to a phone number.
	RecipientUserID       string
	RecipientParentUserID string
	// RecipientType is "group" for messages sent to a group.
	RecipientType string
	// BizOpaqueCallbackData is what the sender attached to the message.
	BizOpaqueCallbackData string
	Conversation          *ConversationInfo
	Pricing               *Pricing
	// Errors says why the status is failed.
	Errors []Error
	// Raw is the status as received.
	Raw json.RawMessage
}

// ConversationInfo is the billing conversation of older webhook versions.
type ConversationInfo struct {
	ID                  string    `json:"id"`
	ExpirationTimestamp Timestamp `json:"expiration_timestamp"`
	Origin              struct {
		Type string `json:"type"`
	} `json:"origin"`
}

// Pricing tells whether and how a message is billed.
type Pricing struct {
	Billable     bool   `json:"billable"`
	PricingModel string `json:"pricing_model"`
	Type         string `json:"type"`
	Category     string `json:"category"`
}
