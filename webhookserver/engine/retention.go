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
	// Each step removes one chunk and reports whether there may be more. Conversations come last, because what
	// belongs to them is gone or old by then.
	var (
		opening      int64
		conversation string
	)
	for _, step := range []func(*store.Tx) (int64, bool, error){
		func(tx *store.Tx) (int64, bool, error) {
			n, err := tx.ExpireRows(before, retentionChunk)
			return n, n > 0, err
		},
		func(tx *store.Tx) (int64, bool, error) {
			n, err := tx.ExpireTickets(before, retentionChunk)
			return n, n > 0, err
		},
		func(tx *store.Tx) (n int64, _ bool, err error) {
			opening, n, err = tx.ExpireOpenings(before, opening, retentionChunk)
			return n, opening != 0, err
		},
		func(tx *store.Tx) (n int64, _ bool, err error) {
			conversation, n, err = tx.ExpireConversations(before, conversation, retentionChunk)
			return n, conversation != "", err
		},
	} {
		for more := true; more; {
			var n int64
			if err := s.Update(ctx, func(tx *store.Tx) (err error) {
				n, more, err = step(tx)
				return err
			}); err != nil {
				return removed, err
			}
			removed += n
		}
	}
	return removed, nil
}
