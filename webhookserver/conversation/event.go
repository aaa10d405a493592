package conversation

import (
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// Event is something that happened to a conversation. Only the types of this file are events.
type Event interface{ isEvent() }

// Settings are what the channel's declaration says about conversations.
type Settings struct {
	// TargetGroup is where tickets are filed.
	TargetGroup string
	// Welcome is sent once for each new ticket; empty for none.
	Welcome string
}

// MessageReceived is a message of the customer. The caller passes each wamid once.
type MessageReceived struct {
	Message  webhook.Message
	Contact  webhook.Contact
	Settings Settings
}

// StatusReceived is WhatsApp's news of a message that was sent. Statuses come in any order, more than once, and even
// before the call that sent the message returned.
type StatusReceived struct {
	Sent   Part
	Status webhook.Status
}

// ReplyWritten is a text that an agent wrote on the ticket of an epoch.
type ReplyWritten struct {
	// ID names the reply, and its article on the ticket, for good.
	ID    string
	Epoch int
	Text  string
}

// SendFinished is the end of one attempt to send.
type SendFinished struct {
	Sent    Part
	Outcome Outcome
	// Reason says why, for the agent; empty for Accepted.
	Reason string
}

// Outcome is how an attempt to send ended.
type Outcome string

// The outcomes of an attempt to send.
const (
	// Accepted: WhatsApp took the message; statuses follow.
	Accepted Outcome = "accepted"
	// Refused: the message was certainly not sent and will not be.
	Refused Outcome = "refused"
	// Repeated: it is not known whether the message was sent, and it will be sent again.
	Repeated Outcome = "repeated"
	// Unknown: it is not known whether the message was sent, and it will not be sent again.
	Unknown Outcome = "unknown"
)

// TicketClosed says that the ticket of an epoch was closed in the helpdesk.
type TicketClosed struct{ Epoch int }

func (MessageReceived) isEvent() {}
func (StatusReceived) isEvent()  {}
func (ReplyWritten) isEvent()    {}
func (SendFinished) isEvent()    {}
func (TicketClosed) isEvent()    {}
