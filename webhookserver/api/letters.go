package api

import (
	"net/http"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func (h *Handler) listDeadLetters(r *http.Request) (any, error) {
	after, limit, err := page(r, "after", 0)
	if err != nil {
		return nil, err
	}
	list := []wire.DeadLetter{}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		letters, err := tx.DeadLetters(after, limit)
		for _, e := range letters {
			list = append(list, wire.DeadLetter{
				ID: e.ID, Conversation: e.Conversation, Kind: string(e.Kind), Destination: string(e.Kind.Destination()),
				Attempts: e.Attempts, CreatedAt: e.CreatedAt, Error: e.Error,
			})
		}
		return err
	})
	return wire.DeadLetters{DeadLetters: list}, err
}

func (h *Handler) replay(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	err = h.Store.Update(r.Context(), func(tx *store.Tx) error {
		found, err := tx.Replay(id, h.Clock.Now())
		if err == nil && !found {
			err = &problem{http.StatusNotFound, "not-found", "There is no dead letter with this ID."}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	h.Changed()
	return struct{}{}, nil
}
