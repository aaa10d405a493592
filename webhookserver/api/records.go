package api

import (
	"encoding/json"
	"net/http"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func (h *Handler) listRecords(r *http.Request) (any, error) {
	after, limit, err := page(r, "after", 0)
	if err != nil {
		return nil, err
	}
	list := []wire.Record{}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		records, err := tx.Records(after, limit)
		for _, record := range records {
			list = append(list, wire.Record{ID: record.ID, ReceivedAt: record.ReceivedAt, Field: record.Field, Body: asJSON(record.Body)})
		}
		return err
	})
	return wire.Records{Records: list}, err
}

func (h *Handler) listStatuses(r *http.Request) (any, error) {
	limit, err := pageLimit(r)
	if err != nil {
		return nil, err
	}
	list := []wire.Status{}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		statuses, err := tx.KeptStatuses(limit)
		for _, s := range statuses {
			list = append(list, wire.Status{MessageID: s.WAMID, Status: s.Status, ReceivedAt: s.ReceivedAt, Body: asJSON(s.Body)})
		}
		return err
	})
	return wire.Statuses{Statuses: list}, err
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
