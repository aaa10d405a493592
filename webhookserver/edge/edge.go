// Package edge is what Meta calls: the handshake that verifies the callback URL, and the webhooks.
//
// A webhook is answered 200 only when it is durable. Every other answer makes Meta send it again, for up to seven
// days. No answer repeats anything of the request but the challenge of a handshake that knew the verify token.
package edge

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// MaxBody is the largest body that Meta sends, in bytes.
	MaxBody = 3 << 20
	// maxChallenge is far above what Meta sends, which is ten digits.
	maxChallenge = 256
	// retryAfter is what a caller is asked to wait for when it comes too early, in seconds.
	retryAfter = 5
)

// Result is how a request ended, for counting.
type Result string

// The results of requests.
const (
	Stored           Result = "stored"
	HandshakeDone    Result = "handshake"
	HandshakeRefused Result = "handshake-refused"
	HandshakeInvalid Result = "handshake-invalid"
	BadSignature     Result = "bad-signature"
	TooLarge         Result = "too-large"
	Busy             Result = "busy"
	LowDisk          Result = "low-disk"
	Backlogged       Result = "backlogged"
	Incomplete       Result = "incomplete"
	NotStored        Result = "not-stored"
	NotReady         Result = "not-ready"
	NotFound         Result = "not-found"
	MethodNotAllowed Result = "method-not-allowed"
)

// Results lists all results.
func Results() []Result {
	return []Result{
		Stored, HandshakeDone, HandshakeRefused, HandshakeInvalid, BadSignature, TooLarge, Busy, LowDisk, Backlogged, Incomplete,
		NotStored, NotReady, NotFound, MethodNotAllowed,
	}
}

// Secrets are what a request is checked against.
type Secrets struct {
	// Path is the callback path.
	Path string
	// AppSecrets and VerifyTokens hold the values that are valid at present.
	AppSecrets   [][]byte
	VerifyTokens [][]byte
}

// Handler answers Meta.
type Handler struct {
	// Secrets returns what to check against; false as long as it is not known.
	Secrets func() (Secrets, bool)
	// Append makes a webhook durable.
	Append func(context.Context, store.Webhook) error
	// TurnAway, if set, tells why webhooks are not to be taken at present; empty if they are.
	TurnAway func() Result
	Clock    clock.Clock
	// Observe is told how each request ended.
	Observe func(Result)
	// Bodies counts what is being received.
	Bodies *Bodies
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, result := h.serve(w, r)
	h.Observe(result)
	if status == 0 {
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(status)
	if status != http.StatusOK {
		_, _ = io.WriteString(w, http.StatusText(status)+"\n")
	}
}

// serve returns the status to answer with, 0 if it has answered itself.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (int, Result) {
	secrets, ok := h.Secrets()
	switch {
	case !ok:
		return http.StatusServiceUnavailable, NotReady
	case r.URL.Path != secrets.Path:
		return http.StatusNotFound, NotFound
	case r.Method == http.MethodGet:
		return h.handshake(w, r, secrets)
	case r.Method == http.MethodPost:
		return h.webhook(r, secrets)
	default:
		w.Header().Set("Allow", "GET, POST")
		return http.StatusMethodNotAllowed, MethodNotAllowed
	}
}

func (h *Handler) handshake(w http.ResponseWriter, r *http.Request, secrets Secrets) (int, Result) {
	query := r.URL.Query()
	challenge, token := query.Get("hub.challenge"), query.Get("hub.verify_token")
	if query.Get("hub.mode") != "subscribe" || challenge == "" || len(challenge) > maxChallenge || token == "" {
		return http.StatusBadRequest, HandshakeInvalid
	}
	if !anyEqual([]byte(token), secrets.VerifyTokens) {
		return http.StatusForbidden, HandshakeRefused
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, challenge)
	return 0, HandshakeDone
}

// anyEqual compares in a time that depends on no value. Hashing hides the lengths, too.
func anyEqual(given []byte, valid [][]byte) bool {
	hash := sha256.Sum256(given)
	equal := 0
	for _, v := range valid {
		want := sha256.Sum256(v)
		equal |= subtle.ConstantTimeCompare(hash[:], want[:])
	}
	return equal == 1
}

func (h *Handler) webhook(r *http.Request, secrets Secrets) (int, Result) {
	if h.TurnAway != nil {
		if why := h.TurnAway(); why != "" {
			return http.StatusServiceUnavailable, why
		}
	}
	if r.ContentLength > MaxBody {
		return http.StatusRequestEntityTooLarge, TooLarge
	}
	signature := r.Header.Get(webhook.SignatureHeader)
	if signature == "" {
		return http.StatusUnauthorized, BadSignature
	}
	receivedAt := h.Clock.Now()
	body := getBody()
	defer putBody(body)
	held := share{of: h.Bodies}
	defer held.give()
	err := body.read(r.Body, &held)
	switch {
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge, TooLarge
	case errors.Is(err, errBusy):
		return http.StatusServiceUnavailable, Busy
	case err != nil:
		return http.StatusBadRequest, Incomplete
	case !webhook.VerifySignature(signature, body.bytes, secrets.AppSecrets...):
		return http.StatusUnauthorized, BadSignature
	}
	// The caller may hang up, but what was signed and received is worth keeping: it would come again.
	if err := h.Append(context.WithoutCancel(r.Context()), store.Webhook{ReceivedAt: receivedAt, Body: body.bytes}); err != nil {
		return http.StatusServiceUnavailable, NotStored
	}
	return http.StatusOK, Stored
}

// Timeouts of the server that the handler is meant for: bodies of at most 3 MiB from a well-connected caller.
const (
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 15 * time.Second
	WriteTimeout      = 30 * time.Second
	IdleTimeout       = 90 * time.Second
	MaxHeaderBytes    = 16 << 10
	MaxConnections    = 1024
)
