package store

import (
	"context"
	"sync"
	"sync/atomic"
)

// maxGroup bounds how many writes share a commit.
const maxGroup = 512

// write is one call of Append, or of Update if fn is set.
type write struct {
	webhook Webhook
	fn      func(*Tx) error
	err     error
	done    chan error
}

var doneChannels = sync.Pool{New: func() any { return make(chan error, 1) }}

// committer lets writes share commits. Each worker commits whatever has queued up while the commit before was being
// synced, so that the slower the disk is, the more writes share a sync.
type committer struct {
	// commit makes a group durable, having set the error of each write that failed alone. An error means that nothing
	// is known of any write in the group.
	commit func([]*write) error

	// mu keeps writes from being handed over after the channel was closed.
	mu       sync.RWMutex
	closed   bool
	requests chan *write
	workers  sync.WaitGroup
	// webhooks counts those that were handed over and are not answered.
	webhooks atomic.Int64
}

func newCommitter(workers int, commit func([]*write) error) *committer {
	c := &committer{commit: commit, requests: make(chan *write, maxGroup)}
	for range workers {
		c.workers.Go(c.run)
	}
	return c
}

// write hands a write over and waits for its commit. Once handed over it is not abandoned: its body belongs to the
// worker until it has answered.
func (c *committer) write(ctx context.Context, w *write) error {
	w.done = doneChannels.Get().(chan error)
	defer doneChannels.Put(w.done)
	if w.fn == nil {
		c.webhooks.Add(1)
		defer c.webhooks.Add(-1)
	}
	if err := c.handOver(ctx, w); err != nil {
		return err
	}
	return <-w.done
}

func (c *committer) handOver(ctx context.Context, w *write) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	select {
	case c.requests <- w:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) run() {
	group := make([]*write, 0, maxGroup)
	for w := range c.requests {
		group = append(group[:0], w)
		for more := true; more && len(group) < maxGroup; {
			select {
			case next, open := <-c.requests:
				if more = open; open {
					group = append(group, next)
				}
			default:
				more = false
			}
		}
		failure := c.commit(group)
		for _, w := range group {
			if failure != nil {
				w.err = failure
			}
			w.done <- w.err
		}
		clear(group)
	}
}

// webhooksWait tells whether webhooks were handed over that are not acknowledged yet.
func (c *committer) webhooksWait() bool { return c.webhooks.Load() > 0 }

// close commits what was handed over, and reports whether it was the first to close.
func (c *committer) close() bool {
	c.mu.Lock()
	first := !c.closed
	if first {
		c.closed = true
		close(c.requests)
	}
	c.mu.Unlock()
	c.workers.Wait()
	return first
}
