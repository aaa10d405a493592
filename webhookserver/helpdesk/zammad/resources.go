package zammad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Only what is used of Zammad's resources is read.

type ticket struct {
	ID          int         `json:"id"`
	StateID     int         `json:"state_id"`
	CustomerID  int         `json:"customer_id"`
	Preferences preferences `json:"preferences"`
	UpdatedAt   time.Time   `json:"updated_at"`
}

// preferences is what this program keeps in a ticket's or an article's preferences.
type preferences struct {
	Ours       *mark                `json:"whatsapp_operator,omitempty"`
	Deliveries map[string]delivered `json:"whatsapp_delivery,omitempty"`
}

// mark says that this program wrote a ticket or an article, and for what.
type mark struct {
	// Channel names the channel, as the objects in Zammad do.
	Channel string `json:"channel,omitempty"`
	// Marker is a ticket's.
	Marker string `json:"marker,omitempty"`
	// Article is the ID of an article, and Files are the IDs of the files that came with it.
	Article string   `json:"article,omitempty"`
	Files   []string `json:"files,omitempty"`
}

// delivered is how far a message to the customer has got.
type delivered struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
}

// marker is the marker that a ticket of a channel carries.
func (t ticket) marker(channel string) string {
	if t.Preferences.Ours == nil || t.Preferences.Ours.Channel != channel {
		return ""
	}
	return t.Preferences.Ours.Marker
}

type article struct {
	ID          int          `json:"id"`
	TicketID    int          `json:"ticket_id"`
	Sender      string       `json:"sender"`
	Type        string       `json:"type"`
	MessageID   string       `json:"message_id"`
	ContentType string       `json:"content_type"`
	Body        string       `json:"body"`
	Internal    bool         `json:"internal"`
	Preferences preferences  `json:"preferences"`
	Attachments []attachment `json:"attachments"`
	CreatedAt   time.Time    `json:"created_at"`
}

type attachment struct {
	ID          int            `json:"id"`
	Filename    string         `json:"filename"`
	Preferences map[string]any `json:"preferences"`
}

type user struct {
	ID     int    `json:"id"`
	Login  string `json:"login"`
	Mobile string `json:"mobile"`
	Phone  string `json:"phone"`
	Active bool   `json:"active"`
	// Groups are the groups that the user has access to, with what may be done in each.
	Groups map[string][]string `json:"groups"`
}

// historyLine is one line of a ticket's history.
type historyLine struct {
	Type      string    `json:"type"`
	Object    string    `json:"object"`
	ObjectID  int       `json:"o_id"`
	FromID    int       `json:"id_from"`
	ToID      int       `json:"id_to"`
	CreatedAt time.Time `json:"created_at"`
}

func (c *client) ticket(ctx context.Context, id string) (t ticket, err error) {
	err = c.get(ctx, "/tickets/"+url.PathEscape(id), nil, &t)
	return t, err
}

// articles returns a ticket's articles, the oldest first.
func (c *client) articles(ctx context.Context, ticketID string) (list []article, err error) {
	err = c.get(ctx, "/ticket_articles/by_ticket/"+url.PathEscape(ticketID), nil, &list)
	slices.SortFunc(list, func(a, b article) int { return a.ID - b.ID })
	return list, err
}

func (c *client) history(ctx context.Context, ticketID string) ([]historyLine, error) {
	var answer struct {
		History []historyLine `json:"history"`
	}
	err := c.get(ctx, "/ticket_history/"+url.PathEscape(ticketID), nil, &answer)
	return answer.History, err
}

// condition is what a search in the database looks for: operators and values by the names of attributes. Unlike a
// search for words, it does not depend on a search index that follows later.
type condition map[string]map[string]any

// first returns the ID of the ticket that meets a condition and changed least recently.
func (c *client) first(ctx context.Context, wanted condition) (id int, found bool, err error) {
	hits, err := c.searchPage(ctx, wanted, 1, 1)
	if err != nil || len(hits) == 0 {
		return 0, false, err
	}
	return hits[0].ID, true, nil
}

// searchPage returns a page of what a search finds; the first is 1. Tickets that changed at the same time are in the order
// of their IDs, because the database would put them in another one for every page.
func (c *client) searchPage(ctx context.Context, wanted condition, size, page int) ([]hit, error) {
	query := url.Values{
		"limit": {strconv.Itoa(size)}, "page": {strconv.Itoa(page)},
		"sort_by": {"updated_at,id"}, "order_by": {"asc,asc"}, "expand": {"true"},
	}
	for attribute, fields := range wanted {
		for name, value := range fields {
			query.Set("condition["+attribute+"]["+name+"]", value.(string))
		}
	}
	var answer found
	err := c.get(ctx, "/tickets/search", query, &answer)
	return answer, err
}

// hit is a ticket in the answer of a search. When it changed may be out of date there, and is not in all answers.
type hit struct {
	ID        int       `json:"id"`
	UpdatedAt time.Time `json:"updated_at"`
}

// found are the tickets in the answer of a search, whose form depends on Zammad's version: the tickets in a list, or
// their IDs in an object.
type found []hit

// UnmarshalJSON implements json.Unmarshaler.
func (f *found) UnmarshalJSON(answer []byte) error {
	var list []hit
	if err := json.Unmarshal(answer, &list); err == nil {
		*f = list
		return nil
	}
	var ids struct {
		Tickets []int `json:"tickets"`
		Records []int `json:"record_ids"`
	}
	if err := json.Unmarshal(answer, &ids); err != nil {
		return fmt.Errorf("read what was found: %w", err)
	}
	if ids.Tickets == nil && ids.Records == nil {
		return errors.New("the answer of a search has neither tickets nor their IDs")
	}
	for _, id := range slices.Concat(ids.Tickets, ids.Records) {
		*f = append(*f, hit{ID: id})
	}
	return nil
}
