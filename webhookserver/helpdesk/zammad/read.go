package zammad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// read reads a ticket and tells what agents did to it. Nothing is taken from anywhere but Zammad's API.
func (h *Helpdesk) read(ctx context.Context, id string) error {
	ref := helpdesk.TicketRef{ID: id}
	t, err := h.client.ticket(ctx, id)
	if isGone(err) {
		_, err := h.receiver.Agents.Gone(ctx, ref)
		return err
	}
	if err != nil {
		return err
	}
	known, err := h.receiver.Agents.Tickets(ctx, []string{id})
	if err != nil {
		return err
	}
	ref.Marker = t.marker(h.channel)
	if _, ours := known[id]; !ours && ref.Marker == "" {
		return nil
	}
	all, err := h.states(ctx)
	if err != nil {
		return err
	}
	if err := h.tell(ctx, ref, all.kind(t.StateID)); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) >= maxRemembered {
		clear(h.seen)
	}
	h.seen[id] = t.UpdatedAt
	return nil
}

// tell tells what is found on a ticket whose state is of a kind: first its new articles, then its state.
func (h *Helpdesk) tell(ctx context.Context, ref helpdesk.TicketRef, kind string) error {
	if kind == typeMerged {
		return h.readMerged(ctx, ref)
	}
	if err := h.readReplies(ctx, ref); err != nil {
		return err
	}
	state, is := stateOf(kind)
	if !is {
		return nil
	}
	_, err := h.receiver.Agents.InState(ctx, ref, state)
	return err
}

// readMerged follows a ticket to the one that it is part of.
func (h *Helpdesk) readMerged(ctx context.Context, ref helpdesk.TicketRef) error {
	into, err := h.mergedInto(ctx, ref.ID)
	if err != nil || into == "" {
		return err
	}
	ours, err := h.receiver.Agents.Merged(ctx, ref, into)
	if err == nil && ours {
		h.queue.add(into)
	}
	return err
}

// readReplies tells what agents wrote to the customer on a ticket, in order.
func (h *Helpdesk) readReplies(ctx context.Context, ref helpdesk.TicketRef) error {
	list, err := h.client.articles(ctx, ref.ID)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(a article) bool { return !a.isReply() })
	if len(list) == 0 {
		return nil
	}
	ids := make([]string, len(list))
	for i, a := range list {
		ids[i] = strconv.Itoa(a.ID)
	}
	taken, err := h.receiver.Agents.Taken(ctx, ids)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(a article) bool { return taken[strconv.Itoa(a.ID)] })
	if len(list) == 0 {
		return nil
	}
	origins, err := h.origins(ctx, ref)
	if err != nil {
		return err
	}
	for _, a := range list {
		written, fits := origins.of(a)
		if !fits {
			continue
		}
		reply, err := h.replyOf(ctx, written, a)
		if err != nil {
			return err
		}
		if _, err := h.receiver.Agents.Replied(ctx, reply); err != nil {
			return err
		}
	}
	return nil
}

// isReply tells the articles that an agent wrote for the customer to read from all others: what is internal, what
// customers or Zammad wrote, what this program wrote as whoever, and what went another way, such as an email, or is the
// note of a call.
func (a article) isReply() bool {
	return a.Sender == senderAgent && !a.Internal && a.Preferences.Ours == nil && (a.Type == typeNote || a.Type == typeWeb)
}

// origins tell on which ticket articles were written. When a ticket is merged into another, its articles move there,
// and those that were not for this customer must not be sent to this customer.
type origins []origin

type origin struct {
	ticket helpdesk.TicketRef
	// after is from when on articles count that were written on a ticket of somebody else; zero for those of ours.
	after time.Time
	// articles were written on this ticket.
	articles map[int]bool
}

// of returns the ticket that an article was written on; false if it was none of ours then.
func (all origins) of(a article) (helpdesk.TicketRef, bool) {
	for _, o := range all {
		if o.articles[a.ID] {
			return o.ticket, !a.CreatedAt.Before(o.after)
		}
	}
	return helpdesk.TicketRef{}, false
}

// origins reads the history of a ticket and of those of ours that were merged into it. A ticket without our marker was
// opened by a person or another program, and is this customer's from the first of those merges on.
func (h *Helpdesk) origins(ctx context.Context, ref helpdesk.TicketRef) (all origins, err error) {
	waiting := []helpdesk.TicketRef{ref}
	for depth := 0; depth < maxMerges && len(waiting) > 0; depth++ {
		var next []helpdesk.TicketRef
		for _, ticket := range waiting {
			lines, err := h.client.history(ctx, ticket.ID)
			if err != nil {
				return nil, err
			}
			merges, err := h.ownMerges(ctx, lines)
			if err != nil {
				return nil, err
			}
			o := originOfHistory(ticket, lines)
			foreign := ticket.ID == ref.ID && ref.Marker == ""
			for _, m := range merges {
				if foreign && (o.after.IsZero() || m.CreatedAt.Before(o.after)) {
					o.after = m.CreatedAt
				}
				next = append(next, helpdesk.TicketRef{ID: strconv.Itoa(m.FromID)})
			}
			all = append(all, o)
		}
		waiting = next
	}
	return all, nil
}

func originOfHistory(ticket helpdesk.TicketRef, lines []historyLine) origin {
	o := origin{ticket: ticket, articles: map[int]bool{}}
	for _, line := range lines {
		if line.Object == "Ticket::Article" && line.Type == "created" {
			o.articles[line.ObjectID] = true
		}
	}
	return o
}

// ownMerges returns when tickets of this channel were merged into one, by its history.
func (h *Helpdesk) ownMerges(ctx context.Context, lines []historyLine) ([]historyLine, error) {
	merges := slices.DeleteFunc(slices.Clone(lines), func(line historyLine) bool {
		return line.Object != "Ticket" || line.Type != "received_merge" || line.FromID == 0
	})
	ids := make([]string, len(merges))
	for i, m := range merges {
		ids[i] = strconv.Itoa(m.FromID)
	}
	known, err := h.receiver.Agents.Tickets(ctx, ids)
	return slices.DeleteFunc(merges, func(m historyLine) bool {
		_, ours := known[strconv.Itoa(m.FromID)]
		return !ours
	}), err
}

// follow reads the tickets that wait for it until the context ends.
func (h *Helpdesk) follow(ctx context.Context) {
	for {
		id, going := h.queue.next(ctx)
		if !going {
			return
		}
		err := h.read(ctx, id)
		if err != nil && ctx.Err() == nil {
			known := (*helpdesk.Error)(nil)
			if errors.As(err, &known) && known.Means == helpdesk.Stop {
				// Nobody but an administrator can let this ticket be read, and the sweep looks whether one did.
				h.receiver.Log.Error("a ticket cannot be read", "reason", known.Reason)
				err = nil
			} else {
				h.receiver.Log.Info("a ticket could not be read; trying again", "error", fmt.Sprint(err))
			}
		}
		h.queue.done(id, err)
	}
}
