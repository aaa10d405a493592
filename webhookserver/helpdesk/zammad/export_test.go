package zammad

import "context"

// SplitName is splitName, for tests.
var SplitName = splitName

// ReadWaiting reads the tickets that wait for it, and returns how many there were.
func ReadWaiting(ctx context.Context, h *Helpdesk) (n int) {
	for len(h.queue.order) > 0 {
		id, _ := h.queue.next(ctx)
		h.queue.done(id, h.read(ctx, id))
		n++
	}
	return n
}
