package zammad

import (
	"context"
	"crypto/md5" //nolint:gosec // It is the hash that Zammad keeps of a message_id, to search by.
	"encoding/hex"
	"strconv"
	"time"
)

// settles is how long after a call without an answer Zammad may still carry it out.
const settles = 30 * time.Second

// FindTicket implements helpdesk.Helpdesk. The marker is the in_reply_to of the first article. That attribute has no
// index, so new tickets are looked through first and then the channel's.
func (h *Helpdesk) FindTicket(ctx context.Context, marker string) (string, bool, error) {
	first := map[string]any{"operator": "is", "value": marker}
	for _, narrowed := range []condition{
		{"article.in_reply_to": first, "ticket.created_at": {"operator": "within last (relative)", "range": "day", "value": "8"}},
		{"article.in_reply_to": first, "ticket.tags": {"operator": "contains all", "value": h.channel}},
	} {
		id, found, err := h.client.first(ctx, narrowed)
		if err != nil {
			return "", false, err
		}
		if found {
			return strconv.Itoa(id), true, nil
		}
	}
	return "", false, nil
}

// FindArticle implements helpdesk.Helpdesk. An article is found wherever it was moved to.
func (h *Helpdesk) FindArticle(ctx context.Context, _, articleID string) (bool, error) {
	sum := md5.Sum([]byte(articleID)) //nolint:gosec // See the import.
	_, found, err := h.client.first(ctx, condition{
		"article.message_id_md5": {"operator": "is", "value": hex.EncodeToString(sum[:])},
	})
	return found, err
}
