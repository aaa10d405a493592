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
// have to go the way of other calls.
func (o *Outbox) settleWithin(tx *store.Tx, local Caller, due []store.Effect) (others []store.Effect, err error) {
	began := o.Clock.Elapsed()
	for _, e := range due {
		settled := false
		if e.State == store.EffectReady {
			if settled, err = o.callWithin(tx, local, e); err != nil {
				return nil, err
			}
		}
		if !settled {
			others = append(others, e)
		} else if o.Clock.Elapsed()-began >= localPatience {
			break
		}
	}
	return others, nil
}

// callWithin makes the call of an effect in the transaction, and reports whether that settled the effect. What fails
// leaves nothing behind, and goes the way of other calls, on which it is decided what the failure means.
func (o *Outbox) callWithin(tx *store.Tx, local Caller, e store.Effect) (settled bool, err error) {
	failed, err := tx.Try(func(tx *store.Tx) error {
		state, err := engine.Load(tx, e.Conversation)
		if err != nil {
			return err
		}
		remoteID, err := local.Call(context.Background(), e, state)
		if err != nil {
			return err
		}
		return o.done(tx, e, remoteID)
	})
	return failed == nil, err
}
