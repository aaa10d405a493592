package wire

import (
	"encoding/json"
	"time"
)

// DeadLetters is a page of dead letters, oldest first.
type DeadLetters struct {
	DeadLetters []DeadLetter `json:"deadLetters"`
}

// DeadLetter is a remote call that was given up and waits for a person.
type DeadLetter struct {
	ID           int64  `json:"id"`
	Conversation string `json:"conversation"`
	// Kind is what the call was to do.
	Kind        string    `json:"kind"`
	Destination string    `json:"destination"`
	Attempts    int       `json:"attempts"`
	CreatedAt   time.Time `json:"createdAt"`
	// Error says why it was given up.
	Error string `json:"error"`
}

// Quarantine is a page of what is in quarantine, oldest first.
type Quarantine struct {
	Quarantined []Quarantined `json:"quarantined"`
}

// Quarantined is a webhook, or a part of one, that waits for a person.
type Quarantined struct {
	ID         int64     `json:"id"`
	ReceivedAt time.Time `json:"receivedAt"`
	// Reason is not-understood, other-number or contradictory.
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	// Body is what was received.
	Body string `json:"body"`
}

// Records is a page of records, oldest first.
type Records struct {
	Records []Record `json:"records"`
}

// Record is a webhook, or a part of one, that belongs to no ticket: news of the account, messages of groups, and whatever
// Meta sends that is new to this version.
type Record struct {
	ID         int64     `json:"id"`
	ReceivedAt time.Time `json:"receivedAt"`
	// Field is the webhook field, or what else it is.
	Field string `json:"field"`
	// Body is what was received.
	Body json.RawMessage `json:"body"`
}

// Statuses is a list of statuses.
type Statuses struct {
	Statuses []Status `json:"statuses"`
}

// Status is a status of a message that this receiver is not known to have sent.
type Status struct {
	MessageID  string          `json:"messageID"`
	Status     string          `json:"status"`
	ReceivedAt time.Time       `json:"receivedAt"`
	Body       json.RawMessage `json:"body"`
}

// Problem is the answer where a request was not done.
type Problem struct {
	Error struct {
		// Code names the problem for programs.
		Code string `json:"code"`
		// Message says to a person what to change.
		Message string `json:"message"`
	} `json:"error"`
}
