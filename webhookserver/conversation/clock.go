package conversation

import (
	"strconv"
	"time"
)

const (
	// leastTimeToAnswer is how much of the window a late reminder has to leave the customer to be worth sending.
	leastTimeToAnswer = 15 * time.Minute
	// onTime is how late a reminder may be without being called late.
	onTime = time.Minute
	// endNear is how long before the window's end agents are told that it comes.
	endNear = 2 * time.Hour
)

// Clock is what is still to happen in a conversation by time alone, and what has happened.
type Clock struct {
	// ReminderAt is when the reminder of the present window is due; zero if none is.
	ReminderAt time.Time `json:"reminderAt,omitzero"`
	// Reminded tells that the reminder of the present window was dealt with.
	Reminded bool `json:"reminded,omitempty"`
	// ReminderMissed tells that it came too late to be sent.
	ReminderMissed bool `json:"reminderMissed,omitempty"`
	// EndAnnounced tells that the present ticket says that the window is nearly over, or need not say it any more.
	EndAnnounced bool `json:"endAnnounced,omitempty"`
	// EndTold tells that the present ticket says that the window is over.
	EndTold bool `json:"endTold,omitempty"`
	// GoodbyeSaid tells that the present ticket has had its goodbye.
	GoodbyeSaid bool `json:"goodbyeSaid,omitempty"`
}

// WakeAt is when the conversation wants a Woken event; zero if it waits for nothing.
func (s State) WakeAt() time.Time {
	if !s.Open || s.LastMessageAt.IsZero() {
		return time.Time{}
	}
	at := s.Clock.ReminderAt
	end := s.WindowEnds()
	if !s.Clock.EndAnnounced {
		end = end.Add(-endNear)
	}
	if !s.Clock.EndTold && (at.IsZero() || end.Before(at)) {
		at = end
	}
	return at
}

// beginWindow begins the window of a message. Each message of the customer begins a new one.
func (s *State) beginWindow(at time.Time) {
	s.LastMessageAt = at
	s.Clock = Clock{GoodbyeSaid: s.Clock.GoodbyeSaid}
}

// plan decides when the reminder is due, as the settings are at present.
func (s *State) plan(settings Settings) {
	s.Clock.ReminderAt = time.Time{}
	if s.Open && !s.LastMessageAt.IsZero() && !s.Clock.Reminded && settings.Reminder != "" && settings.ReminderAfter > 0 {
		s.Clock.ReminderAt = s.LastMessageAt.Add(settings.ReminderAfter)
	}
}

// woken does what the time has come for. It may be called at any time, and more than once.
func (s *State) woken(settings Settings, now time.Time) []Effect {
	s.plan(settings)
	if !s.Open || s.LastMessageAt.IsZero() {
		return nil
	}
	var effects []Effect
	if due := s.Clock.ReminderAt; !due.IsZero() && !now.Before(due) {
		if s.mayRemind(due, now) {
			effects = s.say(s.windowMarker("reminder"), Reminder, settings.Reminder, now)
		} else {
			s.Clock.ReminderMissed = true
		}
		s.Clock.Reminded, s.Clock.ReminderAt = true, time.Time{}
	}
	return append(effects, s.tellOfEnd(now)...)
}

// tellOfEnd tells agents that the window is nearly over, and that it is. Of a window that is over by now, only that.
func (s *State) tellOfEnd(now time.Time) []Effect {
	ends := s.WindowEnds()
	if s.MaySend(now) {
		if s.Clock.EndAnnounced || now.Before(ends.Add(-endNear)) {
			return nil
		}
		s.Clock.EndAnnounced = true
		return []Effect{s.windowNote("window-near-end", windowCloses(ends), now)}
	}
	if s.Clock.EndTold {
		return nil
	}
	s.Clock.EndAnnounced, s.Clock.EndTold = true, true
	text := WindowClosed(ends)
	if s.Clock.ReminderMissed {
		text += " The reminder was not sent, because it was too late for it when delivery was possible again."
	}
	return []Effect{s.windowNote("window-end", text, ends)}
}

// windowNote tells agents something once in a window.
func (s *State) windowNote(what, text string, at time.Time) Effect {
	id := s.windowMarker(what)
	return addArticle(id, s.Epoch, Article{ID: id, Author: AuthorNote, Text: text, WrittenAt: at})
}

// mayRemind tells whether a reminder still leaves the customer time to answer. One that is on time does in any case.
func (s *State) mayRemind(due, now time.Time) bool {
	left := s.WindowEnds().Sub(now)
	return left > 0 && (now.Sub(due) < onTime || left >= leastTimeToAnswer)
}

// Outdated says why a text that waited to be sent must not be sent any more; empty if it may. A reminder that had to
// wait, such as for a new access token, is worth nothing once the customer wrote, the ticket was closed, or no time is
// left to answer.
func (s State) Outdated(t SendText, now time.Time) string {
	queuedAt := s.Outgoing[t.Part.Outgoing].QueuedAt
	switch {
	case t.Purpose != Reminder:
		return ""
	case t.Part.Outgoing != s.windowMarker("reminder"):
		return "The customer has written before the reminder could be sent."
	case !s.Open:
		return "The ticket was closed before the reminder could be sent."
	case !s.mayRemind(queuedAt, now):
		return "When the reminder could be sent, too little was left of the customer service window."
	}
	return ""
}

// windowMarker names something that happens once in a window.
func (s *State) windowMarker(what string) string {
	return s.marker(what + "/" + strconv.FormatInt(s.LastMessageAt.Unix(), 10))
}
