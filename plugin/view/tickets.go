package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

// Tickets writes a table of a channel's tickets.
func Tickets(w io.Writer, channel string, list []wire.Ticket, now time.Time, wide bool) error {
	header := []string{"TICKET", "STATE", "CUSTOMER", "REPLIES UNTIL", "UPDATED", "AGE"}
	if wide {
		header = append(header, "PHONE", "USER ID", "GROUP", "CONVERSATION")
	}
	rows := [][]string{}
	for _, t := range list {
		row := []string{
			TicketName(channel, t.ID), t.State, line(person(t.Customer), 40), repliesUntil(t, now), ago(now, t.UpdatedAt), ago(now, t.CreatedAt),
		}
		if wide {
			row = append(row, phone(t.Customer), t.Customer.UserID, t.Group, t.Conversation)
		}
		rows = append(rows, row)
	}
	return table(w, header, rows)
}

// TicketName names a ticket to the commands that take one.
func TicketName(channel string, id int64) string { return fmt.Sprintf("%s/%d", channel, id) }

func person(c wire.Customer) string {
	username := ""
	if c.Username != "" {
		username = "@" + c.Username
	}
	return cmp.Or(c.Name, username, phone(c), c.UserID)
}

func phone(c wire.Customer) string {
	if c.Phone == "" {
		return ""
	}
	return "+" + c.Phone
}

// repliesUntil says in a word or two how long WhatsApp accepts replies.
func repliesUntil(t wire.Ticket, now time.Time) string {
	switch end := timeOf(t.WindowEndsAt); {
	case end.IsZero():
		return ""
	case end.After(now):
		return "for " + in(now, end)
	}
	return "closed"
}

// Ticket says at length what is on a ticket.
func Ticket(w io.Writer, channel string, t wire.Ticket, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", TicketName(channel, t.ID), line(t.Title, 200))
	fact := func(name, value string) { fmt.Fprintf(&b, "%-12s%s\n", name, cmp.Or(value, none)) }
	fact("State", t.State)
	fact("Group", t.Group)
	fact("Customer", line(strings.Join(known(person(t.Customer), phone(t.Customer), t.Customer.UserID), ", "), 200))
	fact("Updated", fmt.Sprintf("%s ago", ago(now, t.UpdatedAt)))
	switch end := timeOf(t.WindowEndsAt); {
	case end.IsZero():
	case end.After(now):
		fact("Replies", fmt.Sprintf("accepted until %s, for %s", moment(now, end), in(now, end)))
	default:
		fact("Replies", fmt.Sprintf("not accepted by WhatsApp since %s, until the customer writes again", moment(now, end)))
	}
	for _, a := range t.Articles {
		fmt.Fprintf(&b, "\n%s  %s\n", moment(now, a.WrittenAt), strings.Join(known(a.Author, delivery(a.Delivery)), ", "))
		b.WriteString(indent(harmless(a.Text), "    "))
		for _, f := range a.Attachments {
			fmt.Fprintf(&b, "    [%s]\n", attachment(f))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// known returns the texts that say something, each once.
func known(texts ...string) []string {
	var list []string
	for _, text := range texts {
		if text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

func delivery(d *wire.Delivery) string {
	if d == nil {
		return ""
	}
	if d.Reason != "" {
		return d.State + ": " + harmless(d.Reason)
	}
	return d.State
}

func attachment(a wire.Attachment) string {
	text := a.Kind + " " + line(a.Name, 80)
	if a.Size > 0 {
		text += ", " + size(a.Size)
	}
	switch {
	case a.State == "failed":
		text += ", not here: " + harmless(a.Reason)
	case a.Path == "":
		text += ", still being fetched"
	}
	return text
}

// Settled tells whether it is known what became of a message to a customer.
func Settled(d wire.Delivery) bool {
	return d.State == "delivered" || d.State == "read" || d.State == "played" || Undelivered(d)
}

// Undelivered tells whether a message did not get to the customer.
func Undelivered(d wire.Delivery) bool {
	return d.State == "failed" || d.State == "not-sent"
}
