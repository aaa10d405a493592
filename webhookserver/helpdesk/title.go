package helpdesk

import (
	"cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// Title names a ticket by its customer.
func Title(c conversation.Customer) string {
	var number string
	if c.Phone != "" {
		number = "+" + c.Phone
	} else if c.Username != "" {
		number = "@" + c.Username
	}
	switch {
	case c.Name != "" && number != "":
		return c.Name + " (" + number + ") via WhatsApp"
	default:
		return cmp.Or(c.Name, number, "A customer") + " via WhatsApp"
	}
}
