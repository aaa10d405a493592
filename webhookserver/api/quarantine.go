package api

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func (h *Handler) listQuarantine(r *http.Request) (any, error) {
	after, limit, err := page(r, "after", 0)
	if err != nil {
		return nil, err
	}
	list := []wire.Quarantined{}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		rows, err := tx.Quarantined(after, limit)
		for _, q := range rows {
			list = append(list, wire.Quarantined{
				ID: q.ID, ReceivedAt: q.ReceivedAt, Reason: string(q.Reason), Detail: q.Detail, Body: string(q.Body),
			})
		}
		return err
	})
	return wire.Quarantine{Quarantined: list}, err
}

var errNotQuarantined = &problem{http.StatusNotFound, "not-found", "There is nothing in quarantine with this ID."}

// replayQuarantined processes a webhook once more, after what kept it from being processed was mended.
func (h *Handler) replayQuarantined(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	err = h.Store.Update(r.Context(), func(tx *store.Tx) error {
		q, found, err := tx.QuarantinedByID(id)
		switch {
		case err != nil:
			return err
		case !found:
			return errNotQuarantined
		case !isWebhook(q.Body):
			return &problem{http.StatusUnprocessableEntity, "not-a-webhook", "This is only a part of a webhook, or none, and cannot be processed on its own. Read it, and discard it with DELETE."}
		}
		if _, err := tx.Release(id); err != nil {
			return err
		}
		return tx.Requeue(q.Body, h.Clock.Now())
	})
	if err != nil {
		return nil, err
	}
	h.Changed()
	return struct{}{}, nil
}

// discardQuarantined forgets something in quarantine, after a person has dealt with it.
func (h *Handler) discardQuarantined(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, h.Store.Update(r.Context(), func(tx *store.Tx) error {
		found, err := tx.Release(id)
		if err == nil && !found {
			return errNotQuarantined
		}
		return err
	})
}

// importWebhook takes a webhook from a person instead of Meta: one that another channel's receiver has in quarantine
// because it is for this channel's number.
func (h *Handler) importWebhook(r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if !isWebhook(body) {
		return nil, &problem{http.StatusBadRequest, "invalid", "The request must be a webhook as Meta sends it: the body of an item of another channel's quarantine."}
	}
	if err := h.Store.Append(r.Context(), store.Webhook{ReceivedAt: h.Clock.Now(), Body: body}); err != nil {
		return nil, err
	}
	h.Changed()
	return struct{}{}, nil
}

func isWebhook(body []byte) bool {
	var envelope struct {
		Object string `json:"object"`
	}
	return json.Unmarshal(body, &envelope) == nil && envelope.Object == webhook.Object
}
