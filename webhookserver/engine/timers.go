package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// longestSleep bounds how long the processor waits for a timer without looking at the clock again, so that a clock
// that was set does not make timers late.
const longestSleep = time.Minute

// WakeConversations wakes the conversations whose time has come, and returns when the next will be; zero if none is
// known to. It is called when no webhook waits: a message that was received may be the answer that a reminder would
// ask for. While delivery is held nobody is woken.
func (p *Processor) WakeConversations(ctx context.Context) (next time.Time, err error) {
	channel := p.Channel()
	if channel.PhoneNumber == nil || channel.Delivery == config.Held {
		return time.Time{}, nil
	}
	if err := p.resetTimers(ctx, channel); err != nil {
		return time.Time{}, err
	}
	var due []string
	now := p.Clock.Now()
	view := func() error {
		return p.Store.View(ctx, func(tx *store.Tx) (err error) {
			if due, err = tx.DueWakes(now, batch); err == nil {
				next, err = tx.NextWake()
			}
			return err
		})
	}
	if err := view(); err != nil || len(due) == 0 {
		return next, err
	}
	event := conversation.Woken{Settings: SettingsOf(channel)}
	err = p.Store.Update(ctx, func(tx *store.Tx) error {
		for _, id := range due {
			if err := wake(tx, id, event, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil && p.Store.Err() == nil {
		err = p.wakeOneByOne(ctx, due, event, now)
	}
	p.Processed()
	if err != nil {
		return time.Time{}, err
	}
	return next, view()
}

func wake(tx *store.Tx, id string, event conversation.Woken, now time.Time) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %T", errPanicked, cause)
		}
	}()
	return Apply(tx, id, event, now)
}

// wakeOneByOne wakes each conversation on its own, so that one that cannot be woken costs no other, and does not come
// up again and again.
func (p *Processor) wakeOneByOne(ctx context.Context, due []string, event conversation.Woken, now time.Time) error {
	for _, id := range due {
		err := p.Store.Update(ctx, func(tx *store.Tx) error { return wake(tx, id, event, now) })
		if err == nil {
			continue
		}
		if ctx.Err() != nil || p.Store.Err() != nil {
			return err
		}
		p.Log.Error("a conversation could not be woken for its reminder or the end of its window; please report this", "error", err)
		if err := p.Store.Update(ctx, func(tx *store.Tx) error { return tx.DropWake(id) }); err != nil {
			return err
		}
	}
	return nil
}

// resetTimers lets a change of the declared reminder take effect on conversations that wait for the one before.
func (p *Processor) resetTimers(ctx context.Context, channel config.Channel) error {
	setBy := "none"
	if r := channel.Messages.Reminder; r != nil {
		setBy = fmt.Sprintf("%d minutes", r.AfterMinutes)
	}
	if p.timersSetBy == setBy {
		return nil
	}
	err := p.Store.Update(ctx, func(tx *store.Tx) error { return tx.ResetWakes(setBy, p.Clock.Now()) })
	if err == nil {
		p.timersSetBy = setBy
	}
	return err
}
