// Package store keeps what the receiver must not lose: webhooks, conversations, effects, and the tickets of the
// built-in inbox.
//
// A Store is one database of one channel. All writing goes through Append and Update, whose success means that the
// data survives a power cut. The queries are methods of Tx and the same for every engine; an engine adds how to open,
// commit and lock.
package store

import (
	"context"
	"errors"
	"time"
)

// Store is a channel's database. Its methods are safe for concurrent use.
type Store interface {
	// Append stores a webhook as received. It returns nil only when the webhook is durable.
	Append(ctx context.Context, w Webhook) error
	// Update runs fn in a transaction and returns when what fn wrote is durable. If fn fails, nothing that it wrote
	// stays, and Update returns its error. fn must not call the store in another way than through its Tx, nor keep it.
	Update(ctx context.Context, fn func(*Tx) error) error
	// View runs fn on a consistent snapshot that cannot be written to.
	View(ctx context.Context, fn func(*Tx) error) error
	// Failed is closed when the store can no longer vouch for its data. The process must end then: only a fresh
	// start, which reads back what the disk really holds, makes it right again.
	Failed() <-chan struct{}
	// Err says why, after Failed was closed.
	Err() error
	// Poll is how often to look for what another process has left to do; zero where no other has the store open.
	Poll() time.Duration
	// Durability tells whether what was acknowledged survives, as far as the engine's settings go.
	Durability(ctx context.Context) (Durability, error)
	// Refusal tells whether writes fail at present. Nothing is written to find out as long as the latest write succeeded.
	// The error is what the store answered. If it can be read all the same, why says in sentences what refuses the writes,
	// and what to do.
	Refusal(ctx context.Context) (why string, err error)
	// Close finishes the writes that were begun, and closes the store.
	Close() error
}

// ErrClosed means that the store was closed.
var ErrClosed = errors.New("the store is closed")

// ErrUnavailable means that the database cannot be reached at present, or that the connection was lost before it
// answered. It is then not known whether what was to be written is there. Trying again later may succeed.
var ErrUnavailable = errors.New("the database is not available")

// Durability is whether what was acknowledged survives a crash, a power cut, and a fail-over where there is one.
type Durability struct {
	Durable bool
	// Reason says in a sentence why, and if it does not, what to do.
	Reason string
}

// Webhook is a signed webhook as received.
type Webhook struct {
	ReceivedAt time.Time
	Body       []byte
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
