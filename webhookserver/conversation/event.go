package conversation

import (
	"time"

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
	// Goodbye is sent when a ticket is closed; empty for none.
	Goodbye string
	// Reminder is sent ReminderAfter the customer's last message; empty for none.
	Reminder      string
	ReminderAfter time.Duration
	// Unsupported answers a message that cannot be read; empty for none.
	Unsupported string
}

// MessageReceived is a message of the customer. The caller passes each wamid once.
type MessageReceived struct {
	Message webhook.Message
	Contact webhook.Contact
	// About is the message that this one answers, reacts to, edits or deletes; nil where it is not known.
	About    *Referenced
	Settings Settings
}

// Referenced is a message that another one refers to.
type Referenced struct {
	// Text is what it says.
	Text string
}

// EchoReceived is a message that someone of the business wrote to the customer in the WhatsApp Business app.
type EchoReceived struct{ Message webhook.Message }

// Woken says that the time of State.WakeAt has come.
type Woken struct{ Settings Settings }

// StatusReceived is WhatsApp's news of a message that was sent. Statuses come in any order, more than once, and even
// before the call that sent the message returned.
type StatusReceived struct {
	Sent   Part
	Status webhook.Status
}

// ReplyWritten is a text that an agent wrote on the ticket of an epoch, files, or both.
type ReplyWritten struct {
	// ID names the reply, and its article on the ticket, for good.
	ID    string
	Epoch int
	Text  string
	// Files are kept already.
	Files []File
	// Refused are files that WhatsApp does not take.
	Refused []RefusedFile
}

// RefusedFile is a file of a reply that cannot be sent.
type RefusedFile struct {
	Name string
	// Reason says why, for the agent.
	Reason string
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
type TicketClosed struct {
	Epoch    int
	Settings Settings
	// Silent tells that it was not closed because the customer was helped: it was deleted, or became part of another
	// customer's ticket.
	Silent bool
}

// TicketPending says that an agent put the ticket of an epoch aside until something happens.
type TicketPending struct {
	Epoch    int
	Settings Settings
}

// TicketReopened says that an agent opened the ticket of an epoch again.
type TicketReopened struct {
	Epoch    int
	Settings Settings
}

// Noted is something that agents have to know about the ticket of an epoch.
type Noted struct {
	// ID names the note for good.
	ID    string
	Epoch int
	Text  string
}

func (Noted) isEvent()           {}
func (MessageReceived) isEvent() {}
func (StatusReceived) isEvent()  {}
func (ReplyWritten) isEvent()    {}
func (SendFinished) isEvent()    {}
func (TicketClosed) isEvent()    {}
func (TicketPending) isEvent()   {}
func (TicketReopened) isEvent()  {}
func (EchoReceived) isEvent()    {}
func (Woken) isEvent()           {}
