package cloudapitest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// Customer is somebody who writes to businesses.
type Customer struct {
	server *Server
	phone  string
	userID string

	// The rest is guarded by server.mu.
	name      string
	username  string
	hidePhone bool
	// wrote is when the customer last wrote to each number.
	wrote map[string]time.Time
}

// Customer returns the customer with a phone number, in any writing, who is
// called name from now on unless that is empty.
func (s *Server) Customer(phone, name string) *Customer {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.customerByPhone(cloudapi.Digits(phone))
	if name != "" {
		c.name = name
	}
	return c
}

// customerByPhone finds or makes a customer; s.mu is held.
func (s *Server) customerByPhone(phone string) *Customer {
	if known := s.customers[phone]; known != nil {
		return known
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(phone))
	c := &Customer{
		server: s, phone: phone, name: "Customer " + phone, wrote: map[string]time.Time{},
		userID: fmt.Sprintf("%s.%020d", country(phone), hash.Sum64()),
	}
	s.customers[phone] = c
	return c
}

// customerByUserID finds a customer, or makes one without a known phone number;
// s.mu is held.
func (s *Server) customerByUserID(userID string) *Customer {
	for _, known := range s.customers {
		if known.userID == userID {
			return known
		}
	}
	c := &Customer{server: s, userID: userID, name: "Customer " + userID, hidePhone: true, wrote: map[string]time.Time{}}
	s.customers[userID] = c
	return c
}

// country gives the country code that business-scoped user ids begin with.
func country(phone string) string {
	for prefix, code := range map[string]string{"1": "US", "31": "NL", "33": "FR", "41": "CH", "43": "AT", "44": "GB", "49": "DE"} {
		if len(phone) > len(prefix) && phone[:len(prefix)] == prefix {
			return code
		}
	}
	return "ZZ"
}

// UserID returns the customer's business-scoped user id.
func (c *Customer) UserID() string { return c.userID }

// Phone returns the customer's phone number in digits.
func (c *Customer) Phone() string { return c.phone }

// AdoptUsername gives the customer a username and hides the phone number: from
// now on webhooks name the customer by user id alone.
func (c *Customer) AdoptUsername(username string) *Customer {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.username, c.hidePhone = username, true
	return c
}

// Says sends a text message to a business phone number and returns its id. It
// is delivered by webhook as soon as possible: see [Server.Settle].
func (c *Customer) Says(phoneNumberID, text string) string {
	return c.Sends(phoneNumberID, map[string]any{"type": "text", "text": map[string]any{"body": text}})
}

// Sends sends a message of any type to a business phone number and returns its
// id. The message has the form of webhooks; id, sender and time are filled in
// unless given.
func (c *Customer) Sends(phoneNumberID string, message map[string]any) string {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	complete := map[string]any{
		"from_user_id": c.userID,
		"id":           newMessageID(),
		"timestamp":    fmt.Sprint(now.Unix()),
	}
	if !c.hidePhone {
		complete["from"] = c.phone
	}
	maps.Copy(complete, message)
	c.wrote[phoneNumberID] = now
	s.enqueue(phoneNumberID, map[string]any{
		"contacts": []any{c.contact()},
		"messages": []any{complete},
	})
	id, _ := complete["id"].(string)
	return id
}

// Received returns the messages that were sent to the customer, in order.
func (c *Customer) Received() []SentMessage {
	var received []SentMessage
	for _, m := range c.server.Sent() {
		if m.customer == c {
			received = append(received, m)
		}
	}
	return received
}

// contact is what webhooks tell about the customer; server.mu is held.
func (c *Customer) contact() map[string]any {
	profile := map[string]any{"name": c.name}
	if c.username != "" {
		profile["username"] = c.username
	}
	contact := map[string]any{"profile": profile, "user_id": c.userID}
	if !c.hidePhone {
		contact["wa_id"] = c.phone
	}
	return contact
}
