package outbox

import (
	"context"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// localBatch and localPatience bound the calls that are made in one transaction, which others may have to wait for.
const (
	localBatch    = 64
	localPatience = 5 * time.Millisecond
)

// local returns the caller of a destination that is in the store itself, nil if it is elsewhere.
func (o *Outbox) local(tx *store.Tx, d conversation.Destination) Caller {
	if caller, ok := o.Callers[d].(Local); ok {
		return caller.Within(tx.Data())
	}
	return nil
}

// settleWithin makes the calls of effects in the transaction, for as long as that may last, and returns the effects that
// have to go the way of other calls. What fails leaves nothing behind, and goes that way, on which it is decided what the
// failure means.
func (o *Outbox) settleWithin(tx *store.Tx, local Caller, due []store.Effect) (others []store.Effect, err error) {
	var ready []store.Effect
	for _, e := range due {
		if e.State == store.EffectReady {
			ready = append(ready, e)
		} else {
			others = append(others, e)
		}
	}
	began := o.Clock.Elapsed()
	lasts := func() bool { return o.Clock.Elapsed()-began >= localPatience }
	// A single attempt at all of them costs less than one at each.
	failed, err := tx.Try(func(tx *store.Tx) error {
		for _, e := range ready {
			if err := o.callWithin(tx, local, e); err != nil || lasts() {
				return err
			}
		}
		return nil
	})
	if failed == nil || err != nil {
		return others, err
	}
	for _, e := range ready {
		failed, err := tx.Try(func(tx *store.Tx) error { return o.callWithin(tx, local, e) })
		switch {
		case err != nil:
			return nil, err
		case failed != nil:
			others = append(others, e)
		case lasts():
			return others, nil
		}
	}
	return others, nil
}

// callWithin makes the call of an effect in the transaction.
func (o *Outbox) callWithin(tx *store.Tx, local Caller, e store.Effect) error {
	state, err := engine.Load(tx, e.Conversation)
	if err != nil {
		return err
	}
	remoteID, err := local.Call(context.Background(), e, state)
	if err != nil {
		return err
	}
	return o.done(tx, e, remoteID)
}
