package webhook

import (
	"encoding/json"
	"time"
)

// Object is the value of [Payload.Object] in every webhook of the WhatsApp
// Business Platform.
const Object = "whatsapp_business_account"

// FieldMessages is the webhook field that carries customers' messages and the
// statuses of our own.
const FieldMessages = "messages"

// Payload is the body of one webhook. Meta batches: a payload may hold up to
// 1000 updates, spread over any number of entries and changes.
type Payload struct {
	// Object names the kind of webhook, see [Object].
	Object string
	// Entries holds one entry for each business account that has news.
	Entries []Entry
	// Broken lists the elements that could not be read, wholly or in part.
	Broken []Broken
}

// Entry is the news of one business account.
type Entry struct {
	// BusinessAccountID is the id of the WhatsApp Business Account.
	BusinessAccountID string
	// Time is when Meta noticed the change. It is zero for messages, which
	// carry a time of their own.
	Time    time.Time
	Changes []Change
}

// Change is one change of one webhook field.
type Change struct {
	// Field is the webhook field, such as [FieldMessages] or "account_update".
	Field string
	Value Value
}

// Value is what changed. Messages, Statuses and Errors are decoded for the
// field [FieldMessages]; of all other fields only Metadata, Contacts and Raw
// are filled.
type Value struct {
	// Metadata says which business phone number this is about. It is empty for
	// fields that concern the whole account.
	Metadata Metadata
	Contacts []Contact
	Messages []Message
	Statuses []Status
	// Errors are failures that belong to no single message.
	Errors []Error
	// Raw is the value as received.
	Raw json.RawMessage
}

// Metadata names the business phone number that a change is about.
type Metadata struct {
	// DisplayPhoneNumber is written with or without a plus sign and spaces.
	// Compare by digits.
	DisplayPhoneNumber string
	PhoneNumberID      string
}

// Contact is what WhatsApp tells about a customer.
type Contact struct {
	// Name is the profile name, which the customer chooses and changes freely.
	Name string
	// Username is empty unless the customer adopted one.
	Username string
	// WAID is the customer's phone number in digits. It is empty for customers
	// who hide it behind a username.
	WAID string
	// UserID is the business-scoped user id. It is the identity to rely on, but
	// absent from webhooks made before April 2026.
	UserID string
	// ParentUserID is the user id that portfolios linked with each other share.
	ParentUserID string
	// IdentityKeyHash is present where the business asked for identity checks.
	IdentityKeyHash string
}

// Error is a failure as Meta describes it in webhooks. Decide by Code; titles
// and texts change.
type Error struct {
	Code    int
	Title   string
	Message string
	// Details says more than Message and is often the better text to show.
	Details string
	Href    string
}

// Broken is an element of a payload that could not be read.
type Broken struct {
	// Path says where the element is, as in "entry[0].changes[1].value.messages[2]".
	Path string
	// Reason says what is wrong. It never quotes the payload.
	Reason string
	// Raw is the element as received. It holds customers' data: keep it out of logs.
	Raw json.RawMessage
}

// Messages returns how many messages of customers the payload holds.
func (p Payload) Messages() int {
	n := 0
	for _, entry := range p.Entries {
		for _, change := range entry.Changes {
			n += len(change.Value.Messages)
		}
	}
	return n
}

// Statuses returns how many message statuses the payload holds.
func (p Payload) Statuses() int {
	n := 0
	for _, entry := range p.Entries {
		for _, change := range entry.Changes {
			n += len(change.Value.Statuses)
		}
	}
	return n
}

// ContactOf returns what the value tells about the sender of m. The user id
// decides where both sides have one, else the phone number. System messages
// and group messages may come without their sender's contact.
func (v Value) ContactOf(m Message) (Contact, bool) {
	for _, c := range v.Contacts {
		if m.FromUserID != "" && c.UserID != "" {
			if m.FromUserID == c.UserID {
				return c, true
			}
			continue
		}
		if m.From != "" && m.From == c.WAID {
			return c, true
		}
	}
	return Contact{}, false
}
