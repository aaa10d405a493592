// Package api is the receiver's private API: its status, the tickets of the built-in inbox, and what waits for a
// person. It is reached from inside the cluster only, with one of two bearer tokens.
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// maxRequest bounds a request's body, in bytes.
	maxRequest = 256 << 10
	// maxWebhook bounds a webhook that is put in by hand, in bytes: the most that Meta sends.
	maxWebhook   = 3 << 20
	webhooksPath = "/v1/webhooks"
	// maxKey bounds an idempotency key, in characters.
	maxKey = 255
	// defaultPage and maxPage are how many items a list returns unless told, and at most.
	defaultPage = 50
	maxPage     = 200
)

// Tokens open the API. An empty one opens nothing.
type Tokens struct {
	// Status opens the status and nothing else.
	Status []byte
	// API opens everything.
	API []byte
}

// Handler serves the private API.
type Handler struct {
	Store store.Store
	Inbox *inbox.Inbox
	// Conversations returns the helpdesk if its agents work through this API; nil if they work elsewhere.
	Conversations func() Conversations
	// Files are those of the articles.
	Files media.Files
	Clock clock.Clock
	Log   *slog.Logger
	// Tokens returns the tokens that are valid at present.
	Tokens func() Tokens
	// Status returns the receiver's status.
	Status func(context.Context) (config.Status, error)
	// Changed is called when there may be new effects.
	Changed func()
}

// Routes returns the API as one http.Handler. What it serves is documented in openapi.yaml.
func (h *Handler) Routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range h.handlers() {
		mux.Handle(pattern, handler)
	}
	return mux
}

// handlers returns what serves each pattern.
func (h *Handler) handlers() map[string]http.Handler {
	handlers := map[string]http.Handler{
		"GET " + config.StatusPath:                            h.open(h.status, true),
		"GET /v1/tickets/{id}/attachments/{attachment}":       h.attachment(h.attachmentOf),
		"GET /v1/conversations/{id}/attachments/{attachment}": h.attachment(h.fileOf),
	}
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"GET /v1/tickets":                     h.listTickets,
		"GET /v1/tickets/{id}":                h.showTicket,
		"POST /v1/tickets/{id}/replies":       h.reply,
		"POST /v1/tickets/{id}/close":         h.changeTicket(store.TicketClosed),
		"POST /v1/tickets/{id}/pending":       h.changeTicket(store.TicketPending),
		"POST /v1/tickets/{id}/open":          h.changeTicket(store.TicketOpen),
		"GET /v1/conversations/{id}":          h.showConversation,
		"POST /v1/conversations/{id}/replies": h.replyTo,
		"POST /v1/conversations/{id}/close":   h.changeConversation(conversation.TicketIsClosed),
		"POST /v1/conversations/{id}/pending": h.changeConversation(conversation.TicketIsPending),
		"POST /v1/conversations/{id}/open":    h.changeConversation(conversation.TicketIsOpen),
		"GET /v1/messages/{id}":               h.showMessage,
		"GET /v1/dead-letters":                h.listDeadLetters,
		"POST /v1/dead-letters/{id}/replay":   h.replay,
		"GET /v1/quarantine":                  h.listQuarantine,
		"POST /v1/quarantine/{id}/replay":     h.replayQuarantined,
		"DELETE /v1/quarantine/{id}":          h.discardQuarantined,
		"POST " + webhooksPath:                h.importWebhook,
		"GET /v1/records":                     h.listRecords,
		"GET /v1/statuses":                    h.listStatuses,
		"/":                                   h.nothing,
	} {
		handlers[pattern] = h.open(serve, false)
	}
	return handlers
}

// problem is an error that the caller can do something about.
type problem struct {
	status        int
	code, message string
}

func (p *problem) Error() string { return p.message }

func (h *Handler) open(serve func(*http.Request) (any, error), statusTokenOpens bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := int64(maxRequest)
		switch {
		case r.URL.Path == webhooksPath:
			limit = maxWebhook
		case isMultipart(r):
			limit = maxUpload
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		if err := h.authorise(r, statusTokenOpens); err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="receiver"`)
			h.fail(w, err)
			return
		}
		if isMultipart(r) {
			extend(w)
		}
		answer, err := serve(r)
		if err != nil {
			h.fail(w, err)
			return
		}
		h.write(w, http.StatusOK, answer)
	})
}

func (h *Handler) authorise(r *http.Request, statusTokenOpens bool) error {
	tokens := h.Tokens()
	given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	isAPI, isStatus := same(given, tokens.API), same(given, tokens.Status)
	switch {
	case bearer && (isAPI || (isStatus && statusTokenOpens)):
		return nil
	case bearer && isStatus:
		return &problem{http.StatusForbidden, "forbidden", "This token opens only " + config.StatusPath + "; use the API token."}
	default:
		return &problem{http.StatusUnauthorized, "unauthorized", "Send the API token as a bearer token in the Authorization header."}
	}
}

// same compares in a time that depends on neither value. An empty token is never the same.
func same(given string, token []byte) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256(token)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && len(token) > 0
}

func (h *Handler) fail(w http.ResponseWriter, err error) {
	var (
		p       *problem
		tooLong *http.MaxBytesError
	)
	switch {
	case errors.As(err, &p):
	case errors.As(err, &tooLong):
		p = &problem{http.StatusRequestEntityTooLarge, "too-large", "The request is too large."}
	case errors.Is(err, engine.ErrNoTicket):
		p = &problem{http.StatusNotFound, "not-found", "There is no ticket with this ID."}
	case errors.Is(err, inbox.ErrSuperseded):
		p = &problem{http.StatusConflict, "superseded", "The customer has a newer ticket, where their messages go; work on that one."}
	case errors.Is(err, engine.ErrEmptyReply):
		p = &problem{http.StatusBadRequest, "invalid", "The reply has neither text nor files."}
	case errors.Is(err, media.ErrFull):
		p = &problem{http.StatusInsufficientStorage, "volume-full", "The receiver's volume has no room for files; send the reply without them, or have the volume enlarged."}
	case errors.Is(err, engine.ErrKeyReused):
		p = &problem{http.StatusUnprocessableEntity, "key-reused", "This idempotency key was used for another reply; use a new key for each reply."}
	default:
		h.Log.Error("a request to the private API failed", "error", err)
		p = &problem{http.StatusServiceUnavailable, "unavailable", "The receiver cannot do this now; try again. Its log says why."}
	}
	var answer wire.Problem
	answer.Error.Code, answer.Error.Message = p.code, p.message
	h.write(w, p.status, answer)
}

func (h *Handler) write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		h.Log.Debug("an answer of the private API did not reach its caller", "error", err)
	}
}

func (h *Handler) nothing(*http.Request) (any, error) {
	return nil, &problem{http.StatusNotFound, "not-found", "There is nothing at this path, or not with this method."}
}

func (h *Handler) status(r *http.Request) (any, error) { return h.Status(r.Context()) }

func pathID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, &problem{http.StatusNotFound, "not-found", "The ID in the path is not a positive number."}
	}
	return id, nil
}

// page reads limit, and the position that a list goes on from.
func page(r *http.Request, position string, otherwise int64) (from int64, limit int, err error) {
	from = otherwise
	if v := r.URL.Query().Get(position); v != "" {
		if from, err = strconv.ParseInt(v, 10, 64); err != nil || from < 0 {
			return 0, 0, &problem{http.StatusBadRequest, "invalid", position + " must be an ID from an earlier page."}
		}
	}
	limit, err = pageLimit(r)
	return from, limit, err
}

func pageLimit(r *http.Request) (limit int, err error) {
	v := r.URL.Query().Get("limit")
	if v == "" {
		return defaultPage, nil
	}
	if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxPage {
		return 0, &problem{http.StatusBadRequest, "invalid", "limit must be a number from 1 to " + strconv.Itoa(maxPage) + "."}
	}
	return limit, nil
}
