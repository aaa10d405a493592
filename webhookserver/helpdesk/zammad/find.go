package zammad

import (
	"context"
	"crypto/md5" //nolint:gosec // It is the hash that Zammad keeps of a message_id, to search by.
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// settles is how long after a call without an answer Zammad may still carry it out. Until then, that it left nothing
// behind proves nothing.
const settles = 30 * time.Second

// remember notes that what carries a marker may or may not have been written.
func (h *Helpdesk) remember(marker string, err error) {
	known := (*helpdesk.Error)(nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil || (errors.As(err, &known) && known.Means != helpdesk.InDoubt) {
		delete(h.doubts, marker)
		return
	}
	h.doubts[marker] = h.receiver.Clock.Now().Add(settles)
}

// settled is nil if what was not found was not written.
func (h *Helpdesk) settled(marker string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, doubted := h.doubts[marker]
	if !doubted {
		return nil
	}
	now := h.receiver.Clock.Now()
	if now.Before(until) {
		return &helpdesk.Error{
			Means: helpdesk.NotDone, Reason: helpdesk.ReasonUnreachable, RetryAfter: until.Sub(now),
			Message: "Zammad may still be carrying out a call that it did not answer.",
		}
	}
	delete(h.doubts, marker)
	return nil
}

// FindTicket implements helpdesk.Helpdesk. The marker is the in_reply_to of the first article. That attribute has no
// index, so new tickets are looked through first and then the channel's.
func (h *Helpdesk) FindTicket(ctx context.Context, marker string) (string, bool, error) {
	first := map[string]any{"operator": "is", "value": marker}
	for _, narrowed := range []condition{
		{"article.in_reply_to": first, "ticket.created_at": {"operator": "within last (relative)", "range": "day", "value": "8"}},
		{"article.in_reply_to": first, "ticket.tags": {"operator": "contains all", "value": h.channel}},
	} {
		ids, err := h.client.search(ctx, narrowed, 1)
		if err != nil {
			return "", false, err
		}
		if len(ids) > 0 {
			h.remember(marker, nil)
			return strconv.Itoa(ids[0]), true, nil
		}
	}
	return "", false, h.settled(marker)
}

// FindArticle implements helpdesk.Helpdesk. An article is found wherever it was moved to.
func (h *Helpdesk) FindArticle(ctx context.Context, _, articleID string) (bool, error) {
	sum := md5.Sum([]byte(articleID)) //nolint:gosec // See the import.
	ids, err := h.client.search(ctx, condition{
		"article.message_id_md5": {"operator": "is", "value": hex.EncodeToString(sum[:])},
	}, 1)
	switch {
	case err != nil:
		return false, err
	case len(ids) > 0:
		h.remember(articleID, nil)
		return true, nil
	}
	return false, h.settled(articleID)
}
