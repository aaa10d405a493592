// Package sendtest sends a channel a message as Meta would, from a customer who does not exist, and says where it got
// stuck.
package sendtest

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

const (
	// CustomerName marks the customer of a test for everyone who sees the ticket.
	CustomerName = "TEST (kubectl whatsapp send-test)"
	// CustomerPhone is of the range that is reserved for fiction: nobody has it.
	CustomerPhone = "12025550199"
)

// Text is what the customer of a test writes, unless told otherwise.
func Text(now time.Time) string {
	return "This is a test message, sent with `kubectl whatsapp send-test` at " + now.UTC().Format(time.RFC3339) +
		". No customer wrote it; close this ticket."
}

var (
	errNoNumber = errors.New("the channel has no phone number yet, so no message can be for it; `kubectl whatsapp setup` says what is missing")
	errNoURL    = errors.New("the channel has no callback URL yet; `kubectl whatsapp setup` says what is missing")
)

// Ready tells whether a test makes sense; the error says what is missing.
func Ready(channel *v1alpha1.WhatsAppChannel) error {
	switch {
	case channel.Status.PhoneNumber == nil:
		return errNoNumber
	case channel.Status.CallbackURL == "":
		return errNoURL
	}
	return nil
}

// Webhook builds a webhook with one text message as Meta sends it to a channel that is Ready.
func Webhook(channel *v1alpha1.WhatsAppChannel, wamid, text string, now time.Time) ([]byte, error) {
	type object map[string]any
	number := channel.Status.PhoneNumber
	return json.Marshal(object{
		"object": webhook.Object,
		"entry": []object{{
			"id": channel.Spec.BusinessAccountID,
			"changes": []object{{
				"field": webhook.FieldMessages,
				"value": object{
					"messaging_product": "whatsapp",
					"metadata":          object{"display_phone_number": number.DisplayPhoneNumber, "phone_number_id": number.ID},
					"contacts":          []object{{"profile": object{"name": CustomerName}, "wa_id": CustomerPhone}},
					"messages": []object{{
						"from": CustomerPhone, "id": wamid, "timestamp": strconv.FormatInt(now.Unix(), 10),
						"type": webhook.TypeText, "text": object{"body": text},
					}},
				},
			}},
		}},
	})
}
