package zammad

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// newCustomer is a customer as a ticket is opened with: found by its login, or created.
type newCustomer struct {
	Login     string `json:"login"`
	Mobile    string `json:"mobile,omitempty"`
	Firstname string `json:"firstname,omitempty"`
	Lastname  string `json:"lastname,omitempty"`
}

// loginOf is the login of a customer whom Zammad does not know: the same for good, so that nobody is created twice. For
// a phone number it is the one that Zammad's own WhatsApp channel gives. A user ID comes first, because a number may be
// shown later, or not any more.
func loginOf(c conversation.Customer) string {
	if c.UserID != "" {
		return "whatsapp-" + strings.ToLower(c.UserID)
	}
	return cmp.Or(c.Phone, "whatsapp-unknown")
}

// mobileOf is a phone number as Zammad keeps it.
func mobileOf(c conversation.Customer) string {
	if c.Phone == "" {
		return ""
	}
	return "+" + c.Phone
}

func customerOf(c conversation.Customer) newCustomer {
	first, last := splitName(c.Name)
	if first == "" && last == "" {
		last = cmp.Or(mobileOf(c), "@"+c.Username)
		if last == "@" {
			last = "WhatsApp customer"
		}
	}
	return newCustomer{Login: loginOf(c), Mobile: mobileOf(c), Firstname: first, Lastname: last}
}

// particles begin a last name.
var particles = []string{
	"al", "bin", "da", "das", "de", "del", "della", "den", "der", "di", "do", "dos", "du", "el", "la", "le", "ten", "ter", "van", "von", "zu", "zum", "zur",
}

// splitName takes a profile name apart. People write there what they like: the last word is the last name, with the
// particles before it, and a single word is a first name.
func splitName(name string) (first, last string) {
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if after, before, ok := strings.Cut(name, ", "); ok {
		return before, after
	}
	words := strings.Fields(name)
	if len(words) < 2 {
		return name, ""
	}
	from := len(words) - 1
	for from > 1 && slices.Contains(particles, strings.ToLower(words[from-1])) {
		from--
	}
	return strings.Join(words[:from], " "), strings.Join(words[from:], " ")
}

// findCustomer looks for a person whom Zammad knows; 0 if there is none. The customer's earlier tickets tell even who
// it is whose number or user ID is new. Where a search index follows later, the database is asked as well.
func (h *Helpdesk) findCustomer(ctx context.Context, t helpdesk.Ticket) (int, error) {
	c := t.Customer
	if id, err := h.customerOfEarlierTicket(ctx, t); err != nil || id != 0 {
		return id, err
	}
	if c.Phone != "" {
		if id, err := h.customerWithTickets(ctx, "customer.mobile", mobileOf(c)); err != nil || id != 0 {
			return id, err
		}
		if id, err := h.searchUsers(ctx, c.Phone, func(u user) bool { return hasNumber(u, c.Phone) }); err != nil || id != 0 {
			return id, err
		}
	}
	login := loginOf(c)
	if id, err := h.searchUsers(ctx, login, func(u user) bool { return u.Login == login }); err != nil || id != 0 {
		return id, err
	}
	return 0, nil
}

// hasNumber tells whether a mobile number is a user's, however it is written.
func hasNumber(u user, phone string) bool {
	digits := conversation.Digits(u.Mobile)
	return digits == phone || strings.TrimPrefix(digits, "00") == phone
}

func (h *Helpdesk) searchUsers(ctx context.Context, words string, fits func(user) bool) (int, error) {
	var found []user
	if err := h.client.get(ctx, "/users/search", url.Values{"query": {words}, "limit": {"50"}}, &found); err != nil {
		return 0, err
	}
	slices.SortFunc(found, func(a, b user) int { return a.ID - b.ID })
	for _, u := range found {
		if u.Active && fits(u) {
			return u.ID, nil
		}
	}
	return 0, nil
}

func (h *Helpdesk) customerWithTickets(ctx context.Context, attribute, value string) (int, error) {
	id, found, err := h.client.first(ctx, condition{attribute: {"operator": "is", "value": value}})
	if err != nil || !found {
		return 0, err
	}
	t, err := h.client.ticket(ctx, strconv.Itoa(id))
	return t.CustomerID, err
}

// customerOfEarlierTicket is whom the conversation's ticket before belongs to, unless that one is part of another by now.
func (h *Helpdesk) customerOfEarlierTicket(ctx context.Context, t helpdesk.Ticket) (int, error) {
	if t.Epoch < 2 {
		return 0, nil
	}
	marker := conversation.TicketMarker(t.Conversation, t.Epoch-1)
	id, found, err := h.FindTicket(ctx, marker)
	if err != nil || !found {
		return 0, err
	}
	earlier, err := h.client.ticket(ctx, id)
	if isGone(err) || (err == nil && earlier.marker(h.channel) != marker) {
		return 0, nil
	}
	return earlier.CustomerID, err
}

// showNumber lets agents see the number of a customer who was created without one, and now shows it.
func (h *Helpdesk) showNumber(ctx context.Context, id int, c conversation.Customer) error {
	if c.Phone == "" || c.UserID == "" {
		return nil
	}
	var u user
	err := h.client.get(ctx, "/users/"+strconv.Itoa(id), nil, &u)
	if err != nil || u.Login != loginOf(c) || u.Mobile != "" {
		return err
	}
	return h.client.send(ctx, http.MethodPut, "/users/"+strconv.Itoa(id), map[string]string{"mobile": mobileOf(c)}, nil)
}

// createCustomer creates a customer ahead of the ticket, so that its first article can be shown as the customer's own.
// It returns 0 where the login is taken, which the search index does not know yet: Zammad finds it with the ticket.
func (h *Helpdesk) createCustomer(ctx context.Context, c newCustomer) (int, error) {
	var created user
	err := h.client.send(ctx, http.MethodPost, "/users", c, &created)
	known := (*helpdesk.Error)(nil)
	switch {
	case hasStatus(err, http.StatusUnprocessableEntity):
		return 0, nil
	case errors.As(err, &known) && known.Means == helpdesk.InDoubt:
		// A customer without a ticket is found by the login, and harms nobody.
		certain := *known
		certain.Means = helpdesk.NotDone
		return 0, &certain
	}
	return created.ID, err
}
