package zammad

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

const (
	// pollInterval is how often Zammad is asked what is new where it tells of nothing, sweepInterval where it does: it
	// gives an event up after about 100 s.
	pollInterval  = 10 * time.Second
	sweepInterval = 2 * time.Minute
	// allInterval is how often every ticket is looked at on which a conversation goes on, whatever Zammad says is new.
	allInterval = 10 * time.Minute
	// overlap is how far a sweep goes back behind the one before, for what was being written then.
	overlap = time.Minute
	// pageSize is how many tickets are asked for at once.
	pageSize = 100
	// readers is how many tickets are read at the same time.
	readers = 4

	sweptNote   = "swept"
	sweeperNote = "sweep-after"
)

// Run implements helpdesk.Helpdesk.
func (h *Helpdesk) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	defer h.client.http.CloseIdleConnections()
	for range readers {
		running.Go(func() { h.follow(ctx) })
	}
	interval := sweepInterval
	if h.options.EventsURL == "" {
		interval = pollInterval
	}
	var all time.Time
	for {
		now := h.receiver.Clock.Now()
		everything := !now.Before(all)
		err := h.sweep(ctx, now, interval, everything)
		switch {
		case err != nil && ctx.Err() == nil:
			h.receiver.Log.Info("Zammad could not be asked what is new; trying again", "error", err)
		case err == nil && everything:
			all = now.Add(allInterval)
		}
		timer := h.receiver.Clock.NewTimer(interval)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// sweep has the tickets read that changed since the sweep before. Of several processes with one channel, one does it.
func (h *Helpdesk) sweep(ctx context.Context, now time.Time, interval time.Duration, everything bool) error {
	mine, err := h.mySweep(ctx, now, interval)
	if err != nil || !mine {
		return err
	}
	if err := h.sweepChanged(ctx); err != nil || !everything {
		return err
	}
	return h.sweepOpen(ctx)
}

func (h *Helpdesk) mySweep(ctx context.Context, now time.Time, interval time.Duration) (bool, error) {
	noted, err := h.receiver.Notes.Note(ctx, sweeperNote)
	if err != nil {
		return false, err
	}
	after, err := time.Parse(time.RFC3339Nano, noted)
	// A note from the future is a clock's mistake.
	if err == nil && now.Before(after) && after.Sub(now) <= interval {
		return false, nil
	}
	// A little less than the interval, so that the same process may do it again.
	return h.receiver.Notes.SwapNote(ctx, sweeperNote, noted, now.Add(interval*9/10).UTC().Format(time.RFC3339Nano))
}

// sweepChanged asks for the channel's tickets in the order in which they changed, by Zammad's own clock.
func (h *Helpdesk) sweepChanged(ctx context.Context) error {
	noted, err := h.receiver.Notes.Note(ctx, sweptNote)
	if err != nil {
		return err
	}
	newest, _ := time.Parse(time.RFC3339Nano, noted)
	for from := newest.Add(-overlap); ; {
		wanted := condition{"ticket.tags": {"operator": "contains all", "value": h.channel}}
		if !newest.IsZero() {
			wanted["ticket.updated_at"] = map[string]any{"operator": "after (absolute)", "value": from.UTC().Format(time.RFC3339)}
		}
		ids, err := h.client.search(ctx, wanted, pageSize)
		if err != nil {
			return err
		}
		for _, id := range ids {
			changed, err := h.lookAt(ctx, strconv.Itoa(id))
			if err != nil {
				return err
			}
			if changed.After(newest) {
				newest = changed
			}
		}
		// Zammad compares whole seconds.
		next := newest.Truncate(time.Second).Add(-time.Second)
		if len(ids) < pageSize || !next.After(from) {
			break
		}
		from = next
	}
	if text := newest.UTC().Format(time.RFC3339Nano); !newest.IsZero() && text != noted {
		return h.receiver.Notes.SetNote(ctx, sweptNote, text)
	}
	return nil
}

// sweepOpen looks at every ticket on which a conversation goes on. An agent may have taken the tag away, and a ticket
// that was deleted is in no search.
func (h *Helpdesk) sweepOpen(ctx context.Context) error {
	for after := ""; ; {
		ids, err := h.receiver.Agents.OpenTickets(ctx, after, pageSize)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if _, err := h.lookAt(ctx, id); err != nil {
				return err
			}
		}
		after = ids[len(ids)-1]
	}
}

// lookAt has a ticket read if it changed since it was, and returns when it changed.
func (h *Helpdesk) lookAt(ctx context.Context, id string) (time.Time, error) {
	t, err := h.client.ticket(ctx, id)
	if isGone(err) {
		_, err := h.receiver.Agents.Gone(ctx, helpdesk.TicketRef{ID: id})
		return time.Time{}, err
	}
	if hasStatus(err, 403) {
		// It is in a group that the token's user has no access to: that is an administrator's to mend.
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	h.mu.Lock()
	read := h.seen[id]
	h.mu.Unlock()
	if !read.Equal(t.UpdatedAt) || read.IsZero() {
		h.queue.add(id)
	}
	return t.UpdatedAt, nil
}
