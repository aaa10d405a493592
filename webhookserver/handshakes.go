package webhookserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// handshakeInterval is the least time between two notes of a handshake in the store: whoever knows the verify token
// must not be able to fill the disk.
const handshakeInterval = time.Minute

// handshaken notes a handshake that knew the verify token.
func (s *Server) handshaken() {
	s.lastHandshake.Store(s.clock.Now().UnixMilli())
	s.noteHandshake()
}

// noteHandshake has the latest handshake stored.
func (s *Server) noteHandshake() {
	select {
	case s.shaken <- struct{}{}:
	default:
	}
}

// rememberHandshakes keeps the time of the latest handshake in the store, so that it survives a restart and the other
// replicas know it.
func (s *Server) rememberHandshakes(ctx context.Context, opened store.Store) error {
	for {
		select {
		case <-s.shaken:
		case <-ctx.Done():
			// All requests have ended, so that this is the last.
			select {
			case <-s.shaken:
			default:
				return nil
			}
		}
		latest := time.UnixMilli(s.lastHandshake.Load())
		err := opened.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error { return tx.NoteHandshake(latest) })
		switch {
		case errors.Is(err, store.ErrUnavailable):
			if ctx.Err() != nil {
				return nil
			}
			s.log.Error("the time of a handshake could not be stored; trying again", "error", err)
			s.noteHandshake()
		case err != nil:
			return fmt.Errorf("store the time of a handshake: %w", err)
		}
		s.pause(ctx, handshakeInterval)
	}
}
