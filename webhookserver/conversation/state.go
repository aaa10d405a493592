// Package conversation decides what becomes of a conversation between one customer and one channel.
//
// Step is all of it: it takes what is known and what happened, and returns what is known now and which remote calls
// that wants. It reads no clock, draws no random number and does no I/O, so that every behaviour of the product can
// be read here and tested by tables.
package conversation

import (
	"maps"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// Window is the customer service window: how long after the customer's last message WhatsApp accepts messages that
// are not templates.
const Window = 24 * time.Hour

// statusesEnd is how long after a message was queued a status may still come: Meta gives up delivery after 30 days.
const statusesEnd = 30 * 24 * time.Hour

// State is what is known of one conversation. Its JSON form is what the store keeps.
type State struct {
	// ID names the conversation. It is random, so that keys of a lost store never meet those of a new one.
	ID string `json:"id"`
	// Customer is the person at the other end.
	Customer Customer `json:"customer"`
	// Epoch counts the tickets so far; the current ticket is that of this epoch.
	Epoch int `json:"epoch"`
	// Open tells whether the current ticket is open. A pending one is.
	Open bool `json:"open"`
	// Pending tells whether the current ticket is open and waits for something.
	Pending bool `json:"pending,omitempty"`
	// LastMessageAt is when the customer last wrote, by WhatsApp's own timestamp.
	LastMessageAt time.Time `json:"lastMessageAt,omitzero"`
	// Clock is what is still to happen without an event, and what has happened.
	Clock Clock `json:"clock,omitzero"`
	// Outgoing holds the messages to the customer whose fate is not final yet, by their ID.
	Outgoing map[string]Outgoing `json:"outgoing,omitempty"`
}

// Customer is who a conversation is with.
type Customer struct {
	// UserID is the business-scoped user ID: the identity, where WhatsApp tells it.
	UserID string `json:"userID,omitempty"`
	// ParentUserID is the user ID that linked portfolios share.
	ParentUserID string `json:"parentUserID,omitempty"`
	// Phone is the phone number in digits, an alias: customers may hide or change it.
	Phone string `json:"phone,omitempty"`
	// PhoneShown tells whether the customer's last message came with the phone number. A number that WhatsApp no
	// longer shows may belong to someone else by now, so nothing is sent to it.
	PhoneShown bool `json:"phoneShown,omitempty"`
	// Name is the profile name.
	Name string `json:"name,omitempty"`
	// Username is the WhatsApp user name, without the at sign.
	Username string `json:"username,omitempty"`
}

// Address returns where messages to the customer go: a phone number in digits, or else a user ID.
func (c Customer) Address() (phone, userID string) {
	if c.Phone != "" && (c.PhoneShown || c.UserID == "") {
		return c.Phone, ""
	}
	return "", c.UserID
}

// WindowEnds is when the customer service window closes; zero if the customer never wrote.
func (s State) WindowEnds() time.Time {
	if s.LastMessageAt.IsZero() {
		return time.Time{}
	}
	return s.LastMessageAt.Add(Window)
}

// MaySend tells whether WhatsApp accepts a message that is not a template now.
func (s State) MaySend(now time.Time) bool { return now.Before(s.WindowEnds()) }

// clone returns a state whose changes the original does not see.
func (s State) clone() State {
	s.Outgoing = maps.Clone(s.Outgoing)
	if s.Outgoing == nil {
		s.Outgoing = map[string]Outgoing{}
	}
	return s
}

// forget drops the messages of which no status can come any more.
func (s State) forget(now time.Time) {
	maps.DeleteFunc(s.Outgoing, func(_ string, o Outgoing) bool { return now.Sub(o.QueuedAt) > statusesEnd })
}

// meet takes up what a message and its contact tell of the customer. A system message names the customer's new
// number or user ID.
func (c Customer) meet(m webhook.Message, contact webhook.Contact) Customer {
	c.UserID = first(m.FromUserID, contact.UserID, c.UserID)
	c.ParentUserID = first(m.FromParentUserID, contact.ParentUserID, c.ParentUserID)
	phone := first(Digits(m.From), Digits(contact.WAID))
	if m.System != nil {
		if m.System.Type == webhook.SystemUserChangedNumber {
			// With a new number comes a new user ID. Where WhatsApp does not tell it yet, the next message does.
			c.UserID = ""
		}
		c.UserID = first(m.System.UserID, c.UserID)
		phone = first(Digits(m.System.WAID), phone)
	}
	c.Phone, c.PhoneShown = first(phone, c.Phone), phone != ""
	c.Name = first(contact.Name, c.Name)
	c.Username = first(contact.Username, c.Username)
	return c
}

// Digits strips all but the digits from a phone number.
func Digits(phone string) string {
	digits := make([]byte, 0, len(phone))
	for i := range len(phone) {
		if phone[i] >= '0' && phone[i] <= '9' {
			digits = append(digits, phone[i])
		}
	}
	return string(digits)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
