package helpdesk

import (
	"errors"
	"time"
)

// Error is an error of a call whose meaning is known.
type Error struct {
	Means Meaning
	// Reason is one of the reasons below.
	Reason string
	// Message says in a sentence, for people, what is wrong and what to do next. It holds neither secrets nor content.
	Message string
	// RetryAfter is how long the helpdesk asks to wait; zero if it does not say.
	RetryAfter time.Duration
	// Err is the cause, for errors.Is; it is never shown.
	Err error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// Meaning is what to do after an error.
type Meaning int

// The meanings of errors.
const (
	// InDoubt: the call may have been carried out. It is repeated when Find… has found nothing.
	InDoubt Meaning = iota
	// NotDone: the call was certainly not carried out, and may be later.
	NotDone
	// Refused: the call was not carried out and never will be as it is. It becomes a dead letter.
	Refused
	// Stop: no call can succeed until something changes in the helpdesk. One call tries now and then, and a check that
	// turns out well lets all go.
	Stop
	// StopUntilChanged: as Stop, but only new configuration, such as another token, can change it.
	StopUntilChanged
	// Gone: the ticket is not there any more.
	Gone
)

// Reasons of Health and Error.
const (
	// ReasonReady means that tickets can be opened.
	ReasonReady = "Ready"
	// ReasonUnreachable means that the helpdesk does not answer, or not as one.
	ReasonUnreachable = "Unreachable"
	// ReasonTokenMissing means that the file with the token is missing or empty.
	ReasonTokenMissing = "TokenMissing"
	// ReasonTokenRefused means that the helpdesk does not accept the token.
	ReasonTokenRefused = "TokenRefused"
	// ReasonPermissionMissing means that the token may not do what is needed.
	ReasonPermissionMissing = "PermissionMissing"
	// ReasonGroupNotFound means that the target group does not exist, or not for this token.
	ReasonGroupNotFound = "GroupNotFound"
	// ReasonEventsNotSetUp means that tickets can be opened, and that the helpdesk does not tell of agents' replies.
	ReasonEventsNotSetUp = "EventsNotSetUp"
	// ReasonThrottled means that the helpdesk asks to wait.
	ReasonThrottled = "Throttled"
	// ReasonNotUnderstood means that the helpdesk answers otherwise than any version that is known.
	ReasonNotUnderstood = "NotUnderstood"
	// ReasonTicketGone means that a ticket was deleted.
	ReasonTicketGone = "TicketGone"
	// ReasonRejected means that the helpdesk refuses what a call wants.
	ReasonRejected = "Rejected"
)

// ErrNoFile means that no file is kept under an ID.
var ErrNoFile = errors.New("the file is not kept any more")

// RefusedError says why WhatsApp does not take a file, and what it takes.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }
