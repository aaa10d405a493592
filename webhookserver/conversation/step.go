package conversation

import (
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// Step returns the conversation after an event, and the effects that the event wants, in order. The state passed in
// stays as it is. now is the present time, and must not run backwards between the events of one conversation by more
// than clocks do.
func Step(s State, event Event, now time.Time) (State, []Effect) {
	next := s.clone()
	next.forget(now)
	var effects []Effect
	switch e := event.(type) {
	case MessageReceived:
		effects = next.messageReceived(e, now)
	case StatusReceived:
		effects = next.statusReceived(e, now)
	case ReplyWritten:
		effects = next.replyWritten(e, now)
	case SendFinished:
		effects = next.sendFinished(e, now)
	case TicketClosed:
		if e.Epoch == next.Epoch {
			next.Open = false
		}
	}
	return next, effects
}

func (s *State) messageReceived(e MessageReceived, now time.Time) []Effect {
	m := e.Message
	written := m.Timestamp
	// A message without a readable time, or from the future, counts as written now.
	if written.IsZero() || written.After(now) {
		written = now
	}
	s.Customer = s.Customer.meet(m, e.Contact)
	if m.Type != webhook.TypeSystem && written.After(s.LastMessageAt) {
		s.LastMessageAt = written
	}
	article := Article{ID: m.ID, Author: AuthorCustomer, Type: m.Type, Text: m.Describe(), WrittenAt: written}
	if m.Type == webhook.TypeSystem {
		article.Author = AuthorNote
	}

	aside := isAside(m.Type)
	if s.Open || (aside && s.Epoch > 0) {
		return []Effect{addArticle(m.ID+"/article", s.Epoch, article)}
	}
	s.Epoch++
	s.Open = true
	effects := []Effect{{
		Key: TicketKey(s.ID, s.Epoch), Kind: KindOpenTicket, Epoch: s.Epoch,
		OpenTicket: &OpenTicket{Group: e.Settings.TargetGroup, Customer: s.Customer, Article: article},
	}}
	if aside || e.Settings.Welcome == "" || !s.MaySend(now) {
		return effects
	}
	return append(effects, s.welcome(e.Settings.Welcome, now)...)
}

// isAside tells the messages that say something about another message or about the customer. They are shown on the
// latest ticket, which they do not reopen, and nobody is welcomed for them.
func isAside(messageType string) bool {
	switch messageType {
	case webhook.TypeReaction, webhook.TypeEdit, webhook.TypeRevoke, webhook.TypeSystem:
		return true
	}
	return false
}

func (s *State) welcome(text string, now time.Time) []Effect {
	id := s.marker("welcome")
	effects := []Effect{addArticle(id+"/article", s.Epoch, Article{
		ID: id, Author: AuthorChannel, Text: text, WrittenAt: now,
	})}
	return append(effects, s.send(id, s.Epoch, Welcome, text, now)...)
}

func (s *State) statusReceived(e StatusReceived, now time.Time) []Effect {
	delivery, known := deliveryOf[e.Status.Status]
	if !known {
		return nil
	}
	at := e.Status.Timestamp
	if at.IsZero() {
		at = now
	}
	return s.advance(e.Sent, delivery, reasonOf(e.Status), at)
}

func (s *State) replyWritten(e ReplyWritten, now time.Time) []Effect {
	effects := s.send(e.ID, e.Epoch, Reply, e.Text, now)
	if s.MaySend(now) {
		return effects
	}
	// All parts are given up, so that nothing later can make the ticket say otherwise.
	out := s.Outgoing[e.ID]
	var told []Effect
	for i := range out.Parts {
		told = append(told, s.advance(Part{Outgoing: e.ID, Index: i}, NotSent, WindowClosed(s.WindowEnds()), now)...)
	}
	return told
}

// WindowClosed is what an agent is told of a reply that came too late.
func WindowClosed(ended time.Time) string {
	return "The customer service window closed on " + ended.UTC().Format("2 January 2006 at 15:04 UTC") +
		", 24 hours after the customer's last message. WhatsApp accepts replies again as soon as the customer writes."
}

func (s *State) sendFinished(e SendFinished, now time.Time) []Effect {
	switch e.Outcome {
	case Accepted:
		return s.advance(e.Sent, Taken, "", now)
	case Refused:
		return s.advance(e.Sent, NotSent, e.Reason, now)
	case Unknown:
		return s.advance(e.Sent, Uncertain, e.Reason, now)
	case Repeated:
		out, known := s.Outgoing[e.Sent.Outgoing]
		if !known {
			return nil
		}
		id := sendKey(e.Sent.Outgoing, e.Sent.Index) + "/repeated"
		return []Effect{addArticle(id, out.Epoch, Article{ID: id, Author: AuthorNote, Text: e.Reason, WrittenAt: now})}
	}
	return nil
}
