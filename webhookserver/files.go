package webhookserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// tidyInterval is how often files are removed that nothing needs.
	tidyInterval = time.Hour
	// untidyFor is how long a file is left alone: it is there before the article that names it.
	untidyFor = 8 * 24 * time.Hour
	// filesAtOnce is how many files are looked up in one transaction.
	filesAtOnce = 500
)

// openFiles opens what keeps the files of messages, and returns what tells the space of the volume, if there is one.
func (s *Server) openFiles(opened store.Store) (files media.Files, space func() (free, total int64, err error), err error) {
	if s.options.MediaDir == "" {
		return &media.Table{Store: opened, Clock: s.clock}, nil, nil
	}
	dir, err := media.OpenDir(s.options.MediaDir)
	if err != nil {
		return nil, nil, err
	}
	_, total, err := dir.Space()
	if err != nil {
		return nil, nil, err
	}
	dir.Reserve = 2 * s.options.Limits.minFree(total)
	return dir, dir.Space, nil
}

// tidy removes the files of articles that are gone.
func (s *Server) tidy(ctx context.Context, opened store.Store, files media.Files) error {
	for {
		timer := s.clock.NewTimer(tidyInterval)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		removed, err := removeFiles(ctx, opened, files, s.clock.Now().Add(-untidyFor))
		err = errors.Join(err, files.Sweep(ctx))
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
func removeFiles(ctx context.Context, opened store.Store, files media.Files, before time.Time) (removed int, err error) {
	ids, err := files.Before(ctx, before)
	if err != nil {
		return 0, err
	}
	var errs []error
	for group := range slices.Chunk(ids, filesAtOnce) {
		unneeded, err := unneededFiles(ctx, opened, group, before)
		if err != nil {
			return removed, errors.Join(append(errs, err)...)
		}
		for _, id := range unneeded {
			if err := files.Remove(ctx, id); err != nil {
				errs = append(errs, err)
				continue
			}
			removed++
		}
	}
	return removed, errors.Join(errs...)
}

func unneededFiles(ctx context.Context, opened store.Store, ids []string, before time.Time) (unneeded []string, err error) {
	err = opened.View(ctx, func(tx *store.Tx) error {
		lagging, err := tx.Lagging(before)
		if err != nil || lagging {
			return err
		}
		for _, id := range ids {
			needed, err := tx.HasAttachment(id)
			if err != nil {
				return err
			}
			if !needed {
				unneeded = append(unneeded, id)
			}
		}
		return nil
	})
	return unneeded, err
}
