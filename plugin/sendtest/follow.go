package sendtest

import (
	"fmt"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// Progress is how far a message has got that was stored.
type Progress struct {
	// Done tells that it is on a ticket.
	Done bool
	// Waits says in a sentence what it waits for, where waiting may help.
	Waits string
	// Stuck is set where waiting does not help.
	Stuck *StuckError
}

// Judge says how far a message has got. message is nil as long as the receiver has not taken it up, and before is the
// receiver's status before the message was sent.
func Judge(message *wire.Message, before, now config.Status) Progress {
	switch {
	case message == nil && now.PhoneNumberID == "":
		return Progress{Waits: "it is stored; the receiver does not know its phone number yet, and processes nothing until then"}
	case message == nil && now.Quarantined > before.Quarantined:
		return Progress{Stuck: &StuckError{"receiver", "the message is stored and was put into quarantine; look with `kubectl whatsapp quarantine list`"}}
	case message == nil:
		return Progress{Waits: fmt.Sprintf("it is stored and not processed yet; %d webhooks wait before or with it", now.Backlog)}
	}
	switch message.State {
	case wire.MessageOnTicket:
		return Progress{Done: true}
	case wire.MessageRecorded:
		return Progress{Stuck: &StuckError{"receiver", "the message was taken up and belongs to no ticket"}}
	case wire.MessageDeadLetter:
		return Progress{Stuck: &StuckError{"helpdesk", fmt.Sprintf("the helpdesk's call was given up (%s); look with `kubectl whatsapp dead-letters`", message.Error)}}
	}
	switch {
	case now.Held:
		return Progress{Stuck: &StuckError{"helpdesk", "spec.delivery is Held: the message is stored, and goes on when it is Active again"}}
	case message.Error != "":
		return Progress{Waits: fmt.Sprintf("the helpdesk did not take it yet, after %d attempts: %s", message.Attempts, message.Error)}
	}
	return Progress{Waits: "it is processed and waits for the helpdesk"}
}
