package zammad

import (
	"context"
	"net/http"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

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

// TimeRequests has requests timed by another clock than the machine's.
func TimeRequests(h *Helpdesk, by clock.Clock) { h.client.clock = by }

// Download fetches a file from a path of Zammad's API.
func Download(ctx context.Context, h *Helpdesk, path string) (*http.Response, error) {
	return h.client.download(ctx, path)
}

// SweepPages has sweeps ask for so many tickets at once.
func SweepPages(h *Helpdesk, size int) { h.client.pageSize = size }
