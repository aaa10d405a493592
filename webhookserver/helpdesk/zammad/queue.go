package zammad

import (
	"context"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

const (
	// firstPause and longestPause bound how long a ticket that could not be read is left alone.
	firstPause   = time.Second
	longestPause = time.Minute
)

// queue holds the tickets that wait to be read, each once. One that is being read may be added again, because what it
// is added for may have come too late for that reading.
type queue struct {
	clock clock.Clock

	mu      sync.Mutex
	order   []string
	waiting map[string]*waiting
	changed chan struct{}
}

type waiting struct {
	// from is not before when it is read.
	from  time.Time
	tries int
	// reading tells that it is being read, and again that it has to be once more.
	reading, again bool
}

func newQueue(c clock.Clock) *queue {
	return &queue{clock: c, waiting: map[string]*waiting{}, changed: make(chan struct{})}
}

// add lets a ticket be read at once.
func (q *queue) add(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w, known := q.waiting[id]; known {
		w.again, w.from = true, time.Time{}
	} else {
		q.waiting[id] = &waiting{}
		q.order = append(q.order, id)
	}
	q.wake()
}

func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// next returns the first ticket that may be read, and waits for one; false when the context ends.
func (q *queue) next(ctx context.Context) (string, bool) {
	for {
		q.mu.Lock()
		now := q.clock.Now()
		var earliest time.Time
		for _, id := range q.order {
			w := q.waiting[id]
			if w.reading {
				continue
			}
			if !w.from.After(now) {
				w.reading, w.again = true, false
				q.mu.Unlock()
				return id, true
			}
			if earliest.IsZero() || w.from.Before(earliest) {
				earliest = w.from
			}
		}
		changed := q.changed
		q.mu.Unlock()
		if !q.wait(ctx, changed, earliest) {
			return "", false
		}
	}
}

func (q *queue) wait(ctx context.Context, changed <-chan struct{}, until time.Time) bool {
	var due <-chan time.Time
	if !until.IsZero() {
		timer := clock.Until(q.clock, until, longestPause)
		defer timer.Stop()
		due = timer.C()
	}
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// done ends the reading of a ticket. One that failed is read again, less and less often.
func (q *queue) done(id string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.waiting[id]
	w.reading = false
	switch {
	case err != nil:
		pause := min(firstPause<<min(w.tries, 6), longestPause)
		w.tries++
		w.from = q.clock.Now().Add(pause)
	case w.again:
		w.tries, w.from = 0, time.Time{}
	default:
		delete(q.waiting, id)
		for i, known := range q.order {
			if known == id {
				q.order = append(q.order[:i], q.order[i+1:]...)
				break
			}
		}
	}
	q.wake()
}
