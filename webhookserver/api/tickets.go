package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/formatting"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// formatted returns the text as WhatsApp shows it.
func formatted(r wire.Reply) (string, error) {
	text, err := formatting.Convert(r.Text, cmp.Or(formatting.Format(r.Format), formatting.Plain))
	switch {
	case errors.Is(err, formatting.ErrUnknownFormat):
		return "", &problem{http.StatusBadRequest, "invalid", "format must be plain, markdown or html, or left out for plain."}
	case err != nil:
		return "", &problem{http.StatusBadRequest, "invalid", "The text cannot be read in this format: it is nested too deeply. Send it as plain."}
	case text == "" && strings.TrimSpace(r.Text) != "":
		return "", &problem{http.StatusBadRequest, "invalid", "The reply has no text besides the quoted history and the signature, which are cut."}
	}
	return text, nil
}

func ticketJSON(t store.Ticket) wire.Ticket {
	return wire.Ticket{
		ID: t.ID, Conversation: t.Conversation, Title: t.Title, Group: t.Group, State: string(t.State),
		Customer: customerJSON(t.Customer), CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt,
	}
}

func customerJSON(c conversation.Customer) wire.Customer {
	return wire.Customer{Name: c.Name, Username: c.Username, Phone: c.Phone, UserID: c.UserID}
}

func articleJSON(a store.Article) wire.Article {
	out := wire.Article{ID: a.Marker, Author: string(a.Author), Type: a.Type, Text: a.Text, WrittenAt: a.WrittenAt}
	if a.Delivery != "" {
		out.Delivery = &wire.Delivery{State: string(a.Delivery), Reason: a.DeliveryReason, At: optional(a.DeliveryAt)}
	}
	return out
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (h *Handler) listTickets(r *http.Request) (any, error) {
	before, limit, err := page(r, "before", math.MaxInt64)
	if err != nil {
		return nil, err
	}
	state := store.TicketState(r.URL.Query().Get("state"))
	switch state {
	case "", store.TicketOpen, store.TicketPending, store.TicketClosed:
	default:
		return nil, &problem{http.StatusBadRequest, "invalid", "state must be open, pending or closed, or left out for all."}
	}
	list := []wire.Ticket{}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		tickets, err := tx.Tickets(state, before, limit)
		if err != nil {
			return err
		}
		for _, t := range tickets {
			shown, err := withConversation(tx, t)
			if err != nil {
				return err
			}
			list = append(list, shown)
		}
		return nil
	})
	return wire.Tickets{Tickets: list}, err
}

// withConversation is a ticket with what its conversation knows better.
func withConversation(tx *store.Tx, t store.Ticket) (wire.Ticket, error) {
	shown := ticketJSON(t)
	state, found, err := tx.Conversation(t.Conversation)
	if err != nil || !found {
		return shown, err
	}
	shown.WindowEndsAt = optional(state.WindowEnds())
	// The number or user ID may have changed since the ticket was opened.
	shown.Customer = customerJSON(state.Customer)
	return shown, nil
}

func (h *Handler) showTicket(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	var shown wire.Ticket
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		t, found, err := tx.Ticket(id)
		if err != nil {
			return err
		}
		if !found {
			return &problem{http.StatusNotFound, "not-found", "There is no ticket with this ID."}
		}
		if shown, err = withConversation(tx, t); err != nil {
			return err
		}
		articles, err := tx.Articles(id)
		if err != nil {
			return err
		}
		for _, a := range articles {
			article, err := withAttachments(tx, id, articleJSON(a))
			if err != nil {
				return err
			}
			shown.Articles = append(shown.Articles, article)
		}
		return nil
	})
	return shown, err
}

func (h *Handler) reply(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	var article store.Article
	if _, err := h.takeReply(r, strconv.FormatInt(id, 10), func(key, text string, files []conversation.File) (a conversation.Article, err error) {
		article, err = h.Inbox.Reply(r.Context(), id, key, text, files...)
		return a, err
	}); err != nil {
		return nil, err
	}
	var shown wire.Article
	err = h.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		shown, err = withAttachments(tx, id, articleJSON(article))
		return err
	})
	return shown, err
}

func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("there is more than one JSON value")
	}
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return err
	}
	// The decoder's own text may quote the request.
	what := "it is not valid JSON"
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		what = "the field " + name + " is not known"
	}
	return &problem{http.StatusBadRequest, "invalid", `The request must be a JSON object as {"text": "…"}: ` + what + "."}
}

// changeTicket returns what serves a change of a ticket to a state.
func (h *Handler) changeTicket(to store.TicketState) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		id, err := pathID(r)
		if err != nil {
			return nil, err
		}
		t, err := h.Inbox.Change(r.Context(), id, to)
		if err != nil {
			return nil, err
		}
		h.Changed()
		return ticketJSON(t), nil
	}
}
