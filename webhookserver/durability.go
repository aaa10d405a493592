package webhookserver

import (
	"context"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// durabilityInterval is how often the store is asked whether it keeps what it acknowledges: the settings of a
	// database server can change under a running receiver.
	durabilityInterval = time.Hour
	// durabilityRetry is how soon it is asked again if it could not tell.
	durabilityRetry = time.Minute
)

// watchDurability keeps the status current in whether the store is durable. One that is not goes on taking webhooks:
// Meta would give up in the end, and the operator and the metrics say what to mend.
func (s *Server) watchDurability(ctx context.Context, opened store.Store) error {
	for {
		pause := durabilityInterval
		latest, err := opened.Durability(ctx)
		if err == nil {
			before := s.durability.Swap(&latest)
			if !latest.Durable && (before == nil || *before != latest) {
				s.log.Error("acknowledged messages may be lost", "reason", latest.Reason)
			}
		} else if ctx.Err() == nil {
			pause = durabilityRetry
			s.log.Error("the store does not tell whether it is durable", "error", err)
		}
		if !s.pause(ctx, pause) {
			return nil
		}
	}
}

func (s *Server) durable() float64 {
	if d := s.durability.Load(); d != nil && d.Durable {
		return 1
	}
	return 0
}
