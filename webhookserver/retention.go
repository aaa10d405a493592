package webhookserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// retentionInterval is how often what has become old enough is removed.
const retentionInterval = time.Hour

// retain removes what the channel does not want to keep any longer.
func (s *Server) retain(ctx context.Context, opened store.Store) error {
	for {
		if !s.pause(ctx, retentionInterval) {
			return nil
		}
		removed, err := engine.Retain(ctx, opened, int(s.processed().RetentionDays), s.clock.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrUnavailable):
			s.log.Error("old data could not be removed; trying again later", "error", err)
		case err != nil:
			return fmt.Errorf("remove old data: %w", err)
		case removed > 0:
			s.log.Info("removed what was older than the channel keeps", "rows", removed)
		}
	}
}
