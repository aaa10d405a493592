package api

import (
	"net/http"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// DeadLetter is a remote call that was given up and waits for a person, in the API's JSON.
type DeadLetter struct {
	ID           int64  `json:"id"`
	Conversation string `json:"conversation"`
	// Kind is what the call was to do.
	Kind        string    `json:"kind"`
	Destination string    `json:"destination"`
	Attempts    int       `json:"attempts"`
	CreatedAt   time.Time `json:"createdAt"`
	// Error says why it was given up.
	Error string `json:"error"`
}

func (h *Handler) listDeadLetters(r *http.Request) (any, error) {
	after, limit, err := page(r, "after", 0)
	if err != nil {
		return nil, err
	}
	list := []DeadLetter{}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		letters, err := tx.DeadLetters(after, limit)
		for _, e := range letters {
			list = append(list, DeadLetter{
				ID: e.ID, Conversation: e.Conversation, Kind: string(e.Kind), Destination: string(e.Kind.Destination()),
				Attempts: e.Attempts, CreatedAt: e.CreatedAt, Error: e.Error,
			})
		}
		return err
	})
	return map[string]any{"deadLetters": list}, err
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
