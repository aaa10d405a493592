// Package wire is the JSON of the receiver's private API, for the server and for its clients. It has no I/O.
package wire

import "time"

// IdempotencyKey is the header that makes a repeated request harmless.
const IdempotencyKey = "Idempotency-Key"

// Tickets is a page of tickets, newest first.
type Tickets struct {
	Tickets []Ticket `json:"tickets"`
}

// Ticket is a ticket of the built-in inbox.
type Ticket struct {
	ID int64 `json:"id"`
	// Conversation is the same for all tickets of one customer.
	Conversation string `json:"conversation"`
	Title        string `json:"title"`
	Group        string `json:"group,omitempty"`
	// State is open, pending or closed.
	State     string    `json:"state"`
	Customer  Customer  `json:"customer"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// WindowEndsAt is when WhatsApp stops accepting replies, unless the customer writes again.
	WindowEndsAt *time.Time `json:"windowEndsAt,omitempty"`
	// Articles is set where a single ticket is shown.
	Articles []Article `json:"articles,omitempty"`
}

// Customer is who a ticket is from. Any member may be empty.
type Customer struct {
	Name     string `json:"name,omitempty"`
	Username string `json:"username,omitempty"`
	// Phone is digits only, with the country's code.
	Phone  string `json:"phone,omitempty"`
	UserID string `json:"userID,omitempty"`
}

// Article is an entry on a ticket.
type Article struct {
	// ID is WhatsApp's message ID where a customer wrote it.
	ID string `json:"id"`
	// Author is customer, agent, channel or note.
	Author string `json:"author"`
	// Type is WhatsApp's type of a customer's message.
	Type      string    `json:"type,omitempty"`
	Text      string    `json:"text"`
	WrittenAt time.Time `json:"writtenAt"`
	// Delivery is set for messages to the customer.
	Delivery *Delivery `json:"delivery,omitempty"`
	// Attachments are its files.
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Delivery is how far a message to the customer has got.
type Delivery struct {
	State string `json:"state"`
	// Reason says why, where the message failed, was not sent, or its fate is uncertain.
	Reason string     `json:"reason,omitempty"`
	At     *time.Time `json:"at,omitempty"`
}

// Attachment is a file of an article.
type Attachment struct {
	ID string `json:"id"`
	// Kind is image, video, audio, document or sticker.
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	MIMEType string `json:"mimeType"`
	// Size is in bytes; left out as long as it is not known.
	Size int64 `json:"size,omitempty"`
	// State is pending, kept or failed.
	State string `json:"state"`
	// Reason says why, where State is failed.
	Reason string `json:"reason,omitempty"`
	// Path is where the file is, as soon as it is kept.
	Path string `json:"path,omitempty"`
}

// Reply is an agent's reply.
type Reply struct {
	Text string `json:"text"`
	// Format is how the text is written: plain, markdown or html. Left out, it is plain.
	Format string `json:"format,omitempty"`
}

// Message is a customer's message on its way to a ticket.
type Message struct {
	// ID is WhatsApp's message ID.
	ID string `json:"id"`
	// Type is WhatsApp's type of the message.
	Type       string    `json:"type"`
	ReceivedAt time.Time `json:"receivedAt"`
	// State is how far it has got: waiting for the helpdesk, on-ticket, recorded because it belongs to no ticket, or
	// dead-letter where the helpdesk's call was given up.
	State string `json:"state"`
	// Ticket is the helpdesk's ID of the ticket.
	Ticket string `json:"ticket,omitempty"`
	// Attempts counts the calls to the helpdesk, and Error says what the latest of them ended with.
	Attempts int    `json:"attempts,omitempty"`
	Error    string `json:"error,omitempty"`
}

// The values of Message.State.
const (
	MessageWaiting    = "waiting"
	MessageOnTicket   = "on-ticket"
	MessageRecorded   = "recorded"
	MessageDeadLetter = "dead-letter"
)
