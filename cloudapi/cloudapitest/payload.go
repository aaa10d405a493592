package cloudapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// update is one change that webhooks tell about.
type update struct {
	accountID string
	numberID  string
	value     map[string]any
}

// newUpdate builds the update that a value is for a phone number; s.mu is held.
func (s *Server) newUpdate(n *number, value map[string]any) update {
	complete := map[string]any{
		"messaging_product": "whatsapp",
		"metadata": map[string]any{
			"display_phone_number": cloudapi.Digits(n.DisplayPhoneNumber),
			"phone_number_id":      n.ID,
		},
	}
	maps.Copy(complete, value)
	return update{accountID: n.BusinessAccountID, numberID: n.ID, value: complete}
}

// encodeWebhook writes the body of a webhook with some updates. Neighbours of
// one account share an entry.
func encodeWebhook(updates []update) []byte {
	var entries []map[string]any
	last := ""
	for _, u := range updates {
		change := map[string]any{"field": "messages", "value": u.value}
		if len(entries) == 0 || last != u.accountID {
			entries = append(entries, map[string]any{"id": u.accountID, "changes": []any{}})
			last = u.accountID
		}
		entry := entries[len(entries)-1]
		entry["changes"] = append(entry["changes"].([]any), change)
	}
	// The values are made of strings, numbers and lists: encoding cannot fail.
	body, _ := json.Marshal(map[string]any{"object": cloudapi.SubscriptionObject, "entry": entries})
	return escape(body)
}

// escape writes JSON as Meta does: without a character beyond ASCII, and with
// slashes escaped. A receiver that verifies the signature over anything but the
// bytes it received fails on this.
func escape(body []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(body))
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		switch {
		case r == '/':
			out.WriteString(`\/`)
		case r < utf8.RuneSelf:
			out.WriteByte(body[0])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		body = body[size:]
	}
	return out.Bytes()
}
