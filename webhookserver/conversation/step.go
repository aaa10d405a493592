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
		effects = next.ticketClosed(e, now)
	case TicketPending:
		next.ticketOpened(e.Epoch, true, e.Settings)
	case TicketReopened:
		next.ticketOpened(e.Epoch, false, e.Settings)
	case MediaFetched:
		effects = mediaFetched(e)
	case MediaFailed:
		effects = mediaFailed(e, now)
	case Noted:
		effects = []Effect{addArticle(e.ID, e.Epoch, Article{ID: e.ID, Author: AuthorNote, Text: e.Text, WrittenAt: now})}
	case EchoReceived:
		effects = next.echoReceived(e, now)
	case Woken:
		effects = next.woken(e.Settings, now)
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
	if opensWindow(m.Type) && written.After(s.LastMessageAt) {
		s.beginWindow(written)
	}
	article := Article{ID: m.ID, Author: AuthorCustomer, Type: m.Type, Text: wordMessage(m, e.About), WrittenAt: written}
	if isNews(m.Type) {
		article.Author = AuthorNote
	}
	article.Attachments = attachments(m)

	var effects []Effect
	switch {
	case s.Open, isAside(m.Type) && s.Epoch > 0:
		effects = s.further(m, article)
	case isAside(m.Type) && m.Type != webhook.TypeEdit:
		// There is no ticket that it could be shown on, and nothing that an agent could answer.
	default:
		effects = s.openTicket(e, article, now)
	}
	if len(effects) > 0 {
		effects = append(effects, fetch(m, article, s.Epoch)...)
	}
	if !isReadable(m) && s.Open && e.Settings.Unsupported != "" && s.MaySend(now) {
		effects = append(effects, s.say(m.ID+"/unsupported", Unsupported, e.Settings.Unsupported, now)...)
	}
	s.plan(e.Settings)
	return effects
}

// further shows a message on the present ticket. An answer of the customer ends the waiting for it.
func (s *State) further(m webhook.Message, article Article) []Effect {
	effects := []Effect{addArticle(ArticleKey(m.ID), s.Epoch, article)}
	if s.Pending && !isAside(m.Type) {
		s.Pending = false
		effects = append(effects, Effect{
			Key: m.ID + "/reopened", Kind: KindSetState, Epoch: s.Epoch, SetState: &SetState{State: TicketIsOpen},
		})
	}
	return effects
}

func (s *State) openTicket(e MessageReceived, article Article, now time.Time) []Effect {
	s.Epoch++
	s.Open = true
	s.Clock.GoodbyeSaid, s.Clock.EndAnnounced, s.Clock.EndTold = false, false, false
	effects := []Effect{{
		Key: TicketKey(s.ID, s.Epoch), Kind: KindOpenTicket, Epoch: s.Epoch,
		OpenTicket: &OpenTicket{Group: e.Settings.TargetGroup, Customer: s.Customer, Article: article},
	}}
	if isAside(article.Type) || article.Type == TypeCall || e.Settings.Welcome == "" || !s.MaySend(now) {
		return effects
	}
	return append(effects, s.say(s.marker("welcome"), Welcome, e.Settings.Welcome, now)...)
}

// say sends a text of the channel's own to the customer, and shows it on the present ticket.
func (s *State) say(id string, purpose Purpose, text string, now time.Time) []Effect {
	effects := []Effect{addArticle(id+"/article", s.Epoch, Article{
		ID: id, Author: AuthorChannel, Purpose: purpose, Text: text, WrittenAt: now,
	})}
	return append(effects, s.send(id, s.Epoch, purpose, text, nil, now)...)
}

// ticketClosed ends the present ticket. The customer's next message opens a new one.
func (s *State) ticketClosed(e TicketClosed, now time.Time) []Effect {
	if e.Epoch != s.Epoch || !s.Open {
		return nil
	}
	s.Open, s.Pending = false, false
	s.plan(e.Settings)
	if e.Silent || e.Settings.Goodbye == "" || s.Clock.GoodbyeSaid || !s.MaySend(now) {
		return nil
	}
	s.Clock.GoodbyeSaid = true
	return s.say(s.marker("goodbye"), Goodbye, e.Settings.Goodbye, now)
}

func (s *State) ticketOpened(epoch int, pending bool, settings Settings) {
	if epoch != s.Epoch || epoch == 0 {
		return
	}
	s.Open, s.Pending = true, pending
	s.plan(settings)
}

// echoReceived shows what the customer was told by other means, so that agents know.
func (s *State) echoReceived(e EchoReceived, now time.Time) []Effect {
	if s.Epoch == 0 {
		return nil
	}
	written := e.Message.Timestamp
	if written.IsZero() || written.After(now) {
		written = now
	}
	id := e.Message.ID + "/echo"
	return []Effect{addArticle(id, s.Epoch, Article{ID: id, Author: AuthorNote, Text: wordEcho(e.Message), WrittenAt: written})}
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
	effects := refused(e, now)
	if e.Text == "" && len(e.Files) == 0 {
		if len(effects) == 0 {
			id := e.ID + "/empty"
			effects = append(effects, addArticle(id, e.Epoch, Article{ID: id, Author: AuthorNote, Text: nothingLeft, WrittenAt: now}))
		}
		return effects
	}
	sending := s.send(e.ID, e.Epoch, Reply, e.Text, e.Files, now)
	if s.MaySend(now) {
		return append(effects, sending...)
	}
	// All parts are given up, so that nothing later can make the ticket say otherwise.
	out := s.Outgoing[e.ID]
	for i := range out.Parts {
		effects = append(effects, s.advance(Part{Outgoing: e.ID, Index: i}, NotSent, WindowClosed(s.WindowEnds()), now)...)
	}
	return effects
}

// nothingLeft is what agents are told of a reply without text and files.
const nothingLeft = "This reply was not sent to the customer: it has no text besides quoted history and a signature, which are cut, and no files."

// windowCloses is what agents are told while there is still time to reply.
func windowCloses(ends time.Time) string {
	return "The customer service window closes on " + atTime(ends) +
		", 24 hours after the customer's last message. After that WhatsApp accepts no reply until the customer writes again."
}

// WindowClosed is what an agent is told of a reply that came too late.
func WindowClosed(ended time.Time) string {
	return "The customer service window closed on " + atTime(ended) +
		", 24 hours after the customer's last message. WhatsApp accepts replies again as soon as the customer writes."
}

func atTime(t time.Time) string { return t.UTC().Format("2 January 2006 at 15:04 UTC") }

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
