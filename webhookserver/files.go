package webhookserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// tidyInterval is how often files are removed that nothing needs.
	tidyInterval = time.Hour
	// untidyFor is how long a file is left alone: it is there before the article that names it.
	untidyFor = 8 * 24 * time.Hour
)

// tidy removes the files of articles that are gone.
func (s *Server) tidy(ctx context.Context, opened store.Store, files *media.Dir) error {
	for {
		timer := s.clock.NewTimer(tidyInterval)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		removed, err := removeFiles(ctx, opened, files, s.clock.Now().Add(-untidyFor))
		switch {
		case ctx.Err() != nil:
			return nil
		case opened.Err() != nil:
			return fmt.Errorf("remove files: %w", err)
		case err != nil:
			s.log.Error("files that nothing needs could not be removed; trying again later", "error", err)
		case removed > 0:
			s.log.Info("removed files of articles that are gone", "files", removed)
		}
	}
}

// removeFiles removes the files from before a time that no article has. As long as an effect from then is not carried
// out, an article may still come.
func removeFiles(ctx context.Context, opened store.Store, files *media.Dir, before time.Time) (removed int, err error) {
	ids, err := files.Before(before)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	var errs []error
	for _, id := range ids {
		var needed bool
		if err := opened.View(ctx, func(tx *store.Tx) (err error) {
			if needed, err = tx.Lagging(before); err == nil && !needed {
				needed, err = tx.HasAttachment(id)
			}
			return err
		}); err != nil {
			return removed, err
		}
		if needed {
			continue
		}
		if err := files.Remove(id); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}
