package zammad

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// maxDeliveries bounds how many messages' deliveries are kept on a ticket.
const maxDeliveries = 50

// SetDelivery implements helpdesk.Helpdesk. Zammad lets nobody change an article's preferences, so that the ticket's
// hold the deliveries, by article. What an agent has to know is an internal note.
func (h *Helpdesk) SetDelivery(ctx context.Context, ticketID string, d helpdesk.Delivery) error {
	t, _, err := h.current(ctx, ticketID)
	if err != nil {
		return err
	}
	key := cmp.Or(d.AgentArticle, d.ArticleID)
	deliveries := withDelivery(t.Preferences.Deliveries, key, delivered{State: string(d.Delivery), At: d.At.UTC()})
	change := ticketChange{Preferences: &preferences{Deliveries: deliveries}}
	if text := noteOn(d); text != "" {
		note := d.ArticleID + "/delivery/" + string(d.Delivery)
		told, err := h.FindArticle(ctx, ticketID, note)
		if err != nil {
			return err
		}
		if !told {
			request := articleOf(h.channel, conversation.Article{ID: note, Author: conversation.AuthorNote, Text: text}, nil)
			request.From = from(conversation.AuthorNote, conversation.Customer{})
			change.Article = &request
		}
	}
	if change.Article == nil && t.Preferences.Deliveries[key] == deliveries[key] {
		return nil
	}
	return h.client.send(ctx, http.MethodPut, "/tickets/"+strconv.Itoa(t.ID), change, nil)
}

// withDelivery adds a delivery to those that are known, and forgets the oldest beyond a bound.
func withDelivery(known map[string]delivered, key string, d delivered) map[string]delivered {
	all := maps.Clone(known)
	if all == nil {
		all = map[string]delivered{}
	}
	all[key] = d
	for len(all) > maxDeliveries {
		delete(all, slices.MinFunc(slices.Collect(maps.Keys(all)), func(a, b string) int { return all[a].At.Compare(all[b].At) }))
	}
	return all
}

// noteOn is what an agent is told of a message that the customer may not have got; empty where nothing has to be said.
func noteOn(d helpdesk.Delivery) string {
	var what, todo string
	switch d.Delivery {
	case conversation.NotSent:
		what, todo = "was not sent.", "Write it again when the reason is gone, or reach the customer in another way."
	case conversation.Failed:
		what, todo = "did not arrive.", "Write it again, or reach the customer in another way."
	case conversation.Uncertain:
		what, todo = "may not have arrived.", "Ask the customer, or write it again: it may then arrive twice."
	default:
		return ""
	}
	which := "A message of the WhatsApp channel"
	if d.AgentArticle != "" {
		which = "The reply with the article number " + d.AgentArticle
	}
	text := which + " " + what
	if d.Reason != "" {
		text += " " + d.Reason
	}
	return text + "\n" + todo
}
