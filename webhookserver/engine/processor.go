package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// batch bounds how many webhooks are processed in one transaction: enough to share its cost. Where others wait to be
// acknowledged meanwhile, the transaction ends sooner. batchBytes bounds what they hold in memory, for each may have 3 MiB.
const (
	batch      = 200
	batchBytes = 4 << 20
)

// mostPatience bounds how long webhooks that have to be acknowledged wait for one transaction. Those of a burst are
// acknowledged first, and a transaction then takes a single one. When it lasts longer, the time for processing grows: at
// mostPatience, the oldest webhook has waited patienceOf times as long on top of a burst.
const (
	burst        = 5 * time.Second
	mostPatience = 12 * time.Millisecond
	patienceOf   = 500
)

// patience is how long a transaction may keep others waiting when the oldest webhook in it has waited this long.
func patience(waited time.Duration) time.Duration {
	return min(max((waited-burst)/patienceOf, 0), mostPatience)
}

// Processor takes stored webhooks in order and lets their messages and statuses happen.
type Processor struct {
	// Store holds the webhooks, and all that becomes of them.
	Store store.Store
	Clock clock.Clock
	Log   *slog.Logger
	// Channel returns the channel's configuration. Nothing is processed while it has no phone number.
	Channel func() config.Channel
	// Processed is called after a transaction, when there may be new effects.
	Processed func()
	// Heard, if set, is told of each status that is news, with the effect that sent the message. It must not wait. Of a
	// transaction that has to be repeated it is told again.
	Heard func(store.Effect, webhook.Status)

	wake chan struct{}
	// timersSetBy names the declared reminder that the conversations' timers are known to be set by.
	timersSetBy string
}

// NewProcessor returns a processor that does nothing before Run.
func NewProcessor(p Processor) *Processor {
	p.wake = make(chan struct{}, 1)
	return &p
}

// Wake tells that there may be something to do: a webhook was stored, or the configuration changed.
func (p *Processor) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run processes webhooks until the context ends or the store fails.
func (p *Processor) Run(ctx context.Context) error {
	for {
		more, err := p.Process(ctx)
		var next time.Time
		if err == nil && !more {
			next, err = p.WakeConversations(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrUnavailable):
			p.Log.Error("the database cannot be used; trying again", "error", err)
		case err != nil:
			return fmt.Errorf("process webhooks: %w", err)
		case more:
			continue
		}
		if !p.wait(ctx, next) {
			return p.Store.Err()
		}
	}
}

// wait waits until there may be something to do, at next if that is not zero, and reports whether to go on. Where other processes have the store
// open too, one of them may have ended before it processed what it had stored.
func (p *Processor) wait(ctx context.Context, next time.Time) bool {
	var due <-chan time.Time
	longest := longestSleep
	if poll := p.Store.Poll(); poll > 0 {
		longest = min(longest, poll)
		if next.IsZero() {
			next = p.Clock.Now().Add(poll)
		}
	}
	if !next.IsZero() {
		timer := clock.Until(p.Clock, next, longest)
		defer timer.Stop()
		due = timer.C()
	}
	select {
	case <-p.wake:
	case <-due:
	case <-p.Store.Failed():
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

// parsed is a webhook as it was understood.
type parsed struct {
	store.InboxRow
	payload webhook.Payload
	err     error
}

// Process takes one batch and reports whether there may be more.
func (p *Processor) Process(ctx context.Context) (more bool, err error) {
	channel := p.Channel()
	if channel.PhoneNumber == nil {
		return false, nil
	}
	var inbox []store.InboxRow
	if err := p.Store.View(ctx, func(tx *store.Tx) (err error) {
		inbox, err = tx.NextInbox(batch, batchBytes)
		return err
	}); err != nil || len(inbox) == 0 {
		return false, err
	}
	for list := parseAll(inbox); len(list.left) > 0 && err == nil; {
		err = p.takeSome(ctx, list, channel)
		p.Processed()
	}
	return true, err
}

// reading is webhooks in order, which are parsed while those before them are processed.
type reading struct {
	next <-chan parsed
	// left are those that were not taken from next.
	left []store.InboxRow
}

func parseAll(inbox []store.InboxRow) *reading {
	next := make(chan parsed, len(inbox))
	go func() {
		for _, row := range inbox {
			next <- parse(row)
		}
	}()
	return &reading{next: next, left: inbox}
}

// takeSome processes webhooks in one transaction, for as long as that may last.
func (p *Processor) takeSome(ctx context.Context, list *reading, channel config.Channel) error {
	var taken []parsed
	err := p.Store.Update(ctx, func(tx *store.Tx) error {
		unprocessed, err := p.unprocessed(tx, list.left)
		if err != nil {
			return err
		}
		var processed []int64
		t := p.taking(tx, channel)
		for len(list.left) > 0 {
			row := <-list.next
			list.left = list.left[1:]
			taken = append(taken, row)
			if !unprocessed(row.Seq) {
				continue
			}
			if err := t.webhook(row); err != nil {
				return err
			}
			processed = append(processed, row.Seq)
			if waited := p.Clock.Now().Sub(taken[0].ReceivedAt); tx.Overdue(patience(waited)) {
				break
			}
		}
		return tx.RemoveInbox(processed...)
	})
	if err != nil && p.blames(ctx, err) {
		return p.oneByOne(ctx, taken, channel)
	}
	return err
}

// unprocessed tells which webhooks nobody has processed since they were read, which only another process can have.
func (p *Processor) unprocessed(tx *store.Tx, list []store.InboxRow) (func(seq int64) bool, error) {
	if p.Store.Poll() == 0 {
		return func(int64) bool { return true }, nil
	}
	there, err := tx.Unprocessed(list[0].Seq, list[len(list)-1].Seq)
	return func(seq int64) bool { return slices.Contains(there, seq) }, err
}

// oneByOne takes the webhooks of a batch that failed each on its own, so that one that cannot be processed costs no
// other, and does not come up again and again.
func (p *Processor) oneByOne(ctx context.Context, list []parsed, channel config.Channel) error {
	for _, row := range list {
		err := p.Store.Update(ctx, func(tx *store.Tx) error {
			unprocessed, err := p.unprocessed(tx, []store.InboxRow{row.InboxRow})
			if err != nil || !unprocessed(row.Seq) {
				return err
			}
			if err := p.taking(tx, channel).webhook(row); err != nil {
				return err
			}
			return tx.RemoveInbox(row.Seq)
		})
		if err == nil {
			continue
		}
		if !p.blames(ctx, err) {
			return err
		}
		p.Log.Error("a webhook could not be processed and is in quarantine; please report this", "error", err)
		if err := p.Store.Update(ctx, func(tx *store.Tx) error {
			if err := tx.RemoveInbox(row.Seq); err != nil {
				return err
			}
			return tx.Quarantine(store.Quarantined{
				ReceivedAt: row.ReceivedAt, Reason: store.NotUnderstood, Detail: "processing failed", Body: row.Body,
			})
		}); err != nil {
			return err
		}
	}
	return nil
}

// blames tells whether an error is the webhook's own, and not that of the store.
func (p *Processor) blames(ctx context.Context, err error) bool {
	return ctx.Err() == nil && p.Store.Err() == nil && !errors.Is(err, store.ErrUnavailable)
}

func parse(row store.InboxRow) (p parsed) {
	defer func() {
		if recover() != nil {
			p.err = errPanicked
		}
	}()
	p.InboxRow = row
	p.payload, p.err = webhook.Parse(row.Body)
	return p
}

var errPanicked = fmt.Errorf("the program has an error")
