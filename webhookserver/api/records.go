package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Record is a webhook, or a part of one, that belongs to no ticket, in the API's JSON: news of the account, messages of
// groups, and whatever Meta sends that is new to this version.
type Record struct {
	ID         int64     `json:"id"`
	ReceivedAt time.Time `json:"receivedAt"`
	// Field is the webhook field, or what else it is.
	Field string `json:"field"`
	// Body is what was received.
	Body json.RawMessage `json:"body"`
}

// Status is a status of a message that this receiver is not known to have sent, in the API's JSON.
type Status struct {
	MessageID  string          `json:"messageID"`
	Status     string          `json:"status"`
	ReceivedAt time.Time       `json:"receivedAt"`
	Body       json.RawMessage `json:"body"`
}

func (h *Handler) listRecords(r *http.Request) (any, error) {
	after, limit, err := page(r, "after", 0)
	if err != nil {
		return nil, err
	}
	list := []Record{}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		records, err := tx.Records(after, limit)
		for _, record := range records {
			list = append(list, Record{ID: record.ID, ReceivedAt: record.ReceivedAt, Field: record.Field, Body: asJSON(record.Body)})
		}
		return err
	})
	return map[string]any{"records": list}, err
}

func (h *Handler) listStatuses(r *http.Request) (any, error) {
	_, limit, err := page(r, "after", 0)
	if err != nil {
		return nil, err
	}
	list := []Status{}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		statuses, err := tx.KeptStatuses(limit)
		for _, s := range statuses {
			list = append(list, Status{MessageID: s.WAMID, Status: s.Status, ReceivedAt: s.ReceivedAt, Body: asJSON(s.Body)})
		}
		return err
	})
	return map[string]any{"statuses": list}, err
}

// asJSON returns what was received, as a string where it is no JSON.
func asJSON(body []byte) json.RawMessage {
	if json.Valid(body) {
		return body
	}
	text, err := json.Marshal(string(body))
	if err != nil {
		return nil
	}
	return text
}
