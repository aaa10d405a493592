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
	var latest quiet
	for {
		now := h.receiver.Clock.Now()
		everything := !now.Before(all)
		swept, err := h.sweep(ctx, now, interval, everything, &latest)
		switch {
		case err != nil && ctx.Err() == nil:
			h.receiver.Log.Info("Zammad could not be asked what is new; trying again", "error", err)
		case swept && everything:
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

// sweep has the tickets read that changed since the sweep before, and tells whether it did: of several processes with
// one channel, one does it.
func (h *Helpdesk) sweep(ctx context.Context, now time.Time, interval time.Duration, everything bool, latest *quiet) (swept bool, err error) {
	mine, err := h.mySweep(ctx, now, interval)
	if err != nil || !mine {
		return false, err
	}
	if err := h.sweepChanged(ctx, latest); err != nil {
		return false, err
	}
	if everything {
		err = h.sweepOpen(ctx)
	}
	return err == nil, err
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
func (h *Helpdesk) sweepChanged(ctx context.Context, latest *quiet) error {
	begun := h.receiver.Clock.Elapsed()
	noted, err := h.receiver.Notes.Note(ctx, sweptNote)
	if err != nil {
		return err
	}
	newest, _ := time.Parse(time.RFC3339Nano, noted)
	wanted := condition{"ticket.tags": {"operator": "contains all", "value": h.channel}}
	from := newest.Add(-overlap)
	if latest.settled(newest) {
		from = newest.Truncate(time.Second).Add(time.Second)
	}
	for more := true; more; {
		if !newest.IsZero() {
			wanted["ticket.updated_at"] = map[string]any{"operator": "after (absolute)", "value": from.UTC().Format(time.RFC3339)}
		}
		var last time.Time
		last, more, err = h.sweepSome(ctx, wanted, from)
		if err != nil {
			return err
		}
		if last.After(newest) {
			newest = last
		}
		from = before(last)
	}
	latest.swept(newest, begun)
	if text := newest.UTC().Format(time.RFC3339Nano); !newest.IsZero() && text != noted {
		return h.receiver.Notes.SetNote(ctx, sweptNote, text)
	}
	return nil
}

// quiet remembers the latest change of all and since when there is no later one, so that the same tickets are not looked at
// over and over while nothing happens.
type quiet struct {
	change time.Time
	since  time.Duration
	long   bool
}

// swept takes in what a sweep found to be the latest change, and when it began.
func (q *quiet) swept(change time.Time, begun time.Duration) {
	if !change.Equal(q.change) {
		*q = quiet{change: change, since: begun}
	}
	q.long = begun-q.since > overlap
}

// settled tells whether what was being written at the time of a change was swept since.
func (q *quiet) settled(change time.Time) bool { return q.long && change.Equal(q.change) }

// before is where to go on after a ticket that changed at a time, whose second may have more: Zammad compares whole
// seconds.
func before(last time.Time) time.Time { return last.Truncate(time.Second).Add(-time.Second) }

// sweepSome looks at a page of what is wanted from a time on, and at more pages where that time has more tickets than one
// holds. It returns when the last one changed, by the list: the ticket itself may have changed again.
func (h *Helpdesk) sweepSome(ctx context.Context, wanted condition, from time.Time) (last time.Time, more bool, err error) {
	looked := map[int]bool{}
	page, passed := 0, false
	for more = true; more && !passed; {
		page++
		hits, err := h.lookAtPage(ctx, wanted, page, nil)
		if err != nil {
			return last, false, err
		}
		for _, t := range hits {
			looked[t.ID], last = true, t.UpdatedAt
		}
		more, passed = len(hits) == h.client.pageSize, before(last).After(from)
	}
	// What changes meanwhile goes to the end, and all behind it move up, perhaps onto a page that was read already. From
	// the last page to the first nothing gets past.
	for page--; page > 0; page-- {
		if _, err := h.lookAtPage(ctx, wanted, page, looked); err != nil {
			return last, false, err
		}
	}
	return last, more, nil
}

// lookAtPage looks at the tickets on a page of a search, but for some.
func (h *Helpdesk) lookAtPage(ctx context.Context, wanted condition, page int, except map[int]bool) ([]hit, error) {
	hits, err := h.client.searchPage(ctx, wanted, h.client.pageSize, page)
	if err != nil {
		return nil, err
	}
	for _, t := range hits {
		if except[t.ID] {
			continue
		}
		if err := h.lookAt(ctx, strconv.Itoa(t.ID)); err != nil {
			return nil, err
		}
	}
	return hits, nil
}

// sweepOpen looks at every ticket on which a conversation goes on. An agent may have taken the tag away, and a ticket
// that was deleted is in no search.
func (h *Helpdesk) sweepOpen(ctx context.Context) error {
	for after := ""; ; {
		ids, err := h.receiver.Agents.OpenTickets(ctx, after, h.client.pageSize)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := h.lookAt(ctx, id); err != nil {
				return err
			}
		}
		after = ids[len(ids)-1]
	}
}

// lookAt has a ticket read if it changed since it was.
func (h *Helpdesk) lookAt(ctx context.Context, id string) error {
	t, err := h.client.ticket(ctx, id)
	if isGone(err) {
		_, err := h.receiver.Agents.Gone(ctx, helpdesk.TicketRef{ID: id})
		return err
	}
	if hasStatus(err, 403) {
		// It is in a group that the token's user has no access to: that is an administrator's to mend.
		return nil
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	read := h.seen[id]
	h.mu.Unlock()
	if !read.Equal(t.UpdatedAt) || read.IsZero() {
		h.queue.add(id)
	}
	return nil
}
