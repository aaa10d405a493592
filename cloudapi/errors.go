package cloudapi

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Error is a refusal that the Graph API worded itself. Decide with [ClassOf].
type Error struct {
	HTTPStatus int
	Code       int
	// Subcode is deprecated by Meta for messaging errors, but still tells some
	// others apart. Zero where there is none.
	Subcode int
	// Type is an open string such as "OAuthException".
	Type string
	// Message is Meta's text, with tokens taken out. It may hold the time of day.
	Message string
	// Details says more than Message, where Meta gives any.
	Details string
	// TraceID is what Meta's support asks for. It is new with every call.
	TraceID string
	// Transient is Meta's own hint that the same call may succeed later.
	Transient bool
	// RetryAfter is how long Meta asks to wait, zero where it does not say.
	RetryAfter time.Duration

	// ofApp marks calls made with an app's own token, where a refused token
	// means a wrong app secret.
	ofApp bool
}

// The time of day in the text of error 190 would make every occurrence look new.
var currentTime = regexp.MustCompile(`\s*The current time is [^.]*\.`)

// Error returns Meta's text with its code. Equal failures give equal texts, so
// that it fits into a condition: the trace id and the time of day are left out.
func (e *Error) Error() string {
	text := currentTime.ReplaceAllString(e.Message, "")
	text = strings.TrimPrefix(text, fmt.Sprintf("(#%d) ", e.Code))
	if text == "" {
		text = "no reason given"
	}
	if e.Details != "" && e.Details != e.Message {
		text = strings.TrimSuffix(text, ".") + ": " + e.Details
	}
	code := fmt.Sprintf("code %d", e.Code)
	if e.Subcode != 0 {
		code += fmt.Sprintf(", subcode %d", e.Subcode)
	}
	return fmt.Sprintf("Meta answered: %s (%s)", strings.TrimSuffix(text, "."), code)
}

// AnswerError is an answer that is not one of the Graph API: a proxy's page, a
// redirect, a truncated or an oversized body.
type AnswerError struct {
	HTTPStatus int
	// Reason says what is wrong with the answer. It never quotes it.
	Reason string
	// RetryAfter is how long the answer asks to wait, zero where it does not say.
	RetryAfter time.Duration
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("the answer is not one of the Graph API: %s (HTTP status %d); check the Graph base URL and any proxy in between", e.Reason, e.HTTPStatus)
}

// RequestError is a request that got no answer.
type RequestError struct {
	// Host is the host that was called.
	Host string
	// Reason says why, in words without addresses, ports and URLs.
	Reason string
	// Err is the cause. Its text may name addresses, but no URL and no token.
	Err error
	// unwritten is set where the request certainly never left.
	unwritten bool
}

func (e *RequestError) Error() string {
	return fmt.Sprintf("no answer from %s: %s", e.Host, e.Reason)
}

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

// ErrInvalidArgument is the cause of a call that was refused before anything
// was sent.
var ErrInvalidArgument = errors.New("invalid argument")

type argumentError struct{ text string }

func (e *argumentError) Error() string        { return e.text }
func (e *argumentError) Is(target error) bool { return target == ErrInvalidArgument }

func invalidf(format string, args ...any) error {
	return &argumentError{text: fmt.Sprintf(format, args...)}
}

// NotSent reports whether a failed [Client.SendMessage] certainly sent nothing,
// so that sending again cannot make a second message. It is false where the
// message is in doubt: no answer after the request was written, an answer that
// is not Meta's, or one of Meta's internal errors.
func NotSent(err error) bool {
	if errors.Is(err, ErrInvalidArgument) {
		return true
	}
	var request *RequestError
	if errors.As(err, &request) {
		return request.unwritten
	}
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.HTTPStatus >= 400 && refusal.HTTPStatus < 500 && ClassOf(refusal) != ClassTransient
	}
	return false
}

// RetryAfter returns how long the other side asks to wait before the next call,
// or zero where it does not say.
func RetryAfter(err error) time.Duration {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.RetryAfter
	}
	var answer *AnswerError
	if errors.As(err, &answer) {
		return answer.RetryAfter
	}
	return 0
}

// Meta's access tokens start with EAA; some of its texts quote a token that was
// cut or mangled, which a plain search for ours would miss.
var accessToken = regexp.MustCompile(`EAA[A-Za-z0-9]{8,}`)

// maxErrorText bounds what of Meta's texts goes into conditions and logs.
const maxErrorText = 500

// scrub takes secrets out of a text that came from outside and bounds it.
func scrub(text string, secrets ...Token) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, string(secret), redacted)
		}
		// An app's token is made of its id and its secret.
		if _, part, ok := strings.Cut(string(secret), "|"); ok && part != "" {
			text = strings.ReplaceAll(text, part, redacted)
		}
	}
	text = accessToken.ReplaceAllString(text, redacted)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxErrorText {
		text = string(runes[:maxErrorText]) + "…"
	}
	return text
}
