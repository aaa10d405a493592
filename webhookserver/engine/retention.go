package engine

import (
	"context"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// leastRetention is how long everything is kept at least: Meta repeats webhooks for seven days, and one that was
	// delayed on the way must still be known for a repetition.
	leastRetention = 14 * 24 * time.Hour
	// retentionChunk bounds what one transaction removes, so that acknowledgements do not wait for it.
	retentionChunk = 100
)

// Retain removes what was over and done with days before now, in small transactions, and returns how much that was.
// Open tickets stay, and so does what waits for a person.
func Retain(ctx context.Context, s store.Store, days int, now time.Time) (removed int64, err error) {
	if days <= 0 {
		return 0, nil
	}
	before := now.Add(-max(time.Duration(days)*24*time.Hour, leastRetention))
	// Conversations come last, because what belongs to them is gone or old by then.
	for _, expire := range []func(*store.Tx, time.Time, int) (int64, error){(*store.Tx).ExpireRows, (*store.Tx).ExpireTickets} {
		for more := true; more; {
			var n int64
			if err := s.Update(ctx, func(tx *store.Tx) (err error) {
				n, err = expire(tx, before, retentionChunk)
				return err
			}); err != nil {
				return removed, err
			}
			removed += n
			more = n > 0
		}
	}
	openings, err := expireFound(ctx, s,
		func(tx *store.Tx, after int64) ([]store.Effect, error) {
			return tx.OldOpenings(before, after, retentionChunk)
		},
		func(e store.Effect) int64 { return e.ID },
		(*store.Tx).ExpireOpenings)
	removed += openings
	if err != nil {
		return removed, err
	}
	conversations, err := expireFound(ctx, s,
		func(tx *store.Tx, after string) ([]string, error) {
			return tx.OldConversations(before, after, retentionChunk)
		},
		func(id string) string { return id },
		func(tx *store.Tx, ids []string) (int64, error) { return tx.ExpireConversations(ids, before) })
	return removed + conversations, err
}

// expireFound removes what it finds a chunk at a time, each behind the place of the last of the chunk before. To find it
// may take a while, and holds up nobody who writes.
func expireFound[T, P any](
	ctx context.Context, s store.Store,
	find func(tx *store.Tx, after P) ([]T, error), place func(T) P, expire func(*store.Tx, []T) (int64, error),
) (removed int64, err error) {
	var after P
	for more := true; more; {
		var found []T
		if err := s.View(ctx, func(tx *store.Tx) (err error) {
			found, err = find(tx, after)
			return err
		}); err != nil || len(found) == 0 {
			return removed, err
		}
		var n int64
		if err := s.Update(ctx, func(tx *store.Tx) (err error) {
			n, err = expire(tx, found)
			return err
		}); err != nil {
			return removed, err
		}
		removed += n
		after, more = place(found[len(found)-1]), len(found) == retentionChunk
	}
	return removed, nil
}
