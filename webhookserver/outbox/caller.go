package outbox

import (
	"context"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Caller makes the calls to one destination.
type Caller interface {
	// Call makes the call that an effect stands for, once, and returns what the destination calls the result. The
	// conversation is as it was when the call was decided on.
	Call(ctx context.Context, e store.Effect, state conversation.State) (remoteID string, err error)
	// Find looks whether an effect in doubt was carried out. A destination that cannot tell finds nothing.
	Find(ctx context.Context, e store.Effect) (remoteID string, found bool, err error)
	// Judge says what the error of a call means.
	Judge(err error) Verdict
}

// Local is a Caller whose destination may be the store itself. Its calls are then made in the transaction that takes the
// effects, and are never in doubt.
type Local interface {
	// Within returns the caller as part of a transaction, or nil as long as the destination is elsewhere.
	Within(data store.Data) Caller
}

// Settling is a Caller whose destination may still carry a call out that it did not answer.
type Settling interface {
	// Settles returns for how long after the call of an effect; until then, that nothing of it is found proves nothing.
	Settles(e store.Effect) time.Duration
}

// Verdict is what the error of a call means.
type Verdict struct {
	Means Meaning
	// After is how long the destination asks to wait; zero if it does not say.
	After time.Duration
	// Reason words the error for people, without content.
	Reason string
}

// Meaning is what to do after an error.
type Meaning int

// The meanings of errors.
const (
	// TryAgain: the call was certainly not carried out, and may be later.
	TryAgain Meaning = iota
	// NotYet: no call was made, because something else has to be done first. This was no attempt.
	NotYet
	// Stuck: as TryAgain, but this call alone fails, while the destination answers others. It is given up sooner, because
	// what comes after it waits.
	Stuck
	// NumberTooFast: as TryAgain, but no call at all may be made for a moment. This was no attempt.
	NumberTooFast
	// CustomerTooFast: as TryAgain, after a pause that grows as WhatsApp wants for one customer.
	CustomerTooFast
	// InDoubt: the call may have been carried out.
	InDoubt
	// Refused: the call was not carried out and never will be. Whoever wrote the message is told.
	Refused
	// Dead: as Refused, but something is wrong with the channel or this program, so the effect waits for a person.
	Dead
	// Stop: no call to this destination can succeed until something else changes. This was no attempt.
	Stop
	// StopUntilChanged: as Stop, and only new configuration can change it.
	StopUntilChanged
)
