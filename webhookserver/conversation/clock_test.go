package conversation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

var keepsTime = conversation.Settings{
	TargetGroup: "2nd Level", Goodbye: "Bye!", Reminder: "Please reply.", ReminderAfter: 20 * time.Hour,
}

// after is a moment of a story, and what happens then.
type after struct {
	time  time.Duration
	event conversation.Event
	want  []string
}

// written is a message of the customer, as late as its webhook comes.
func written(id string, at time.Duration) conversation.MessageReceived {
	e := text(id, "x", now.Add(at))
	e.Settings = keepsTime
	return e
}

func withSettings(e conversation.MessageReceived) conversation.MessageReceived {
	e.Settings = keepsTime
	return e
}

// texts words what a story's moment shows and sends.
func texts(effects []conversation.Effect) (list []string) {
	for _, e := range effects {
		switch {
		case e.OpenTicket != nil:
			list = append(list, "ticket")
		case e.AddArticle != nil && e.AddArticle.Author == conversation.AuthorNote:
			list = append(list, "note "+e.AddArticle.Text[:len("The customer service window closed")])
		case e.AddArticle != nil && e.AddArticle.Author == conversation.AuthorCustomer:
			list = append(list, "article")
		case e.SendText != nil:
			list = append(list, string(e.SendText.Purpose))
		case e.SetState != nil:
			list = append(list, string(e.SetState.State))
		}
	}
	return list
}

func tell(t *testing.T, story []after) conversation.State {
	t.Helper()
	s := conversation.State{ID: "c"}
	for i, moment := range story {
		var effects []conversation.Effect
		s, effects = conversation.Step(s, moment.event, now.Add(moment.time))
		if diff := cmp.Diff(moment.want, texts(effects)); diff != "" {
			t.Errorf("moment %d (-want +got):\n%s", i, diff)
		}
	}
	return s
}

const (
	h      = time.Hour
	m      = time.Minute
	ticket = "ticket"
	closed = "note The customer service window closed"
	closes = "note The customer service window closes"
)

func TestTheClock(t *testing.T) {
	woken := conversation.Woken{Settings: keepsTime}
	closing := conversation.TicketClosed{Epoch: 1, Settings: keepsTime}
	reply := conversation.ReplyWritten{ID: "r", Epoch: 1, Text: "Hi"}
	early := keepsTime
	early.ReminderAfter = 24*h - m
	for name, story := range map[string][]after{
		"a reminder comes after its time and once": {
			{0, written("w", 0), []string{ticket}}, {20*h - 1, woken, nil}, {20 * h, woken, []string{"reminder"}}, {20 * h, woken, nil}, {22*h - 1, woken, nil},
		},
		"also when an agent has answered": {
			{0, written("w", 0), []string{ticket}}, {h, reply, []string{"reply"}}, {20 * h, woken, []string{"reminder"}},
		},
		"and when the ticket waits": {
			{0, written("w", 0), []string{ticket}}, {h, conversation.TicketPending{Epoch: 1, Settings: keepsTime}, nil}, {20 * h, woken, []string{"reminder"}},
		},
		"it counts from the last message": {
			{0, written("w", 0), []string{ticket}}, {10 * h, written("w2", 10*h), []string{"article"}}, {20 * h, woken, nil}, {30 * h, woken, []string{"reminder"}},
		},
		"from reactions, too": {
			{0, written("w", 0), []string{ticket}}, {10 * h, withSettings(of(webhook.TypeReaction, "w2", now.Add(10*h))), []string{"article"}}, {20 * h, woken, nil}, {30 * h, woken, []string{"reminder"}},
		},
		"not from statuses": {
			{0, written("w", 0), []string{ticket}}, {h, reply, []string{"reply"}},
			{10 * h, conversation.StatusReceived{Sent: conversation.Part{Outgoing: "r"}, Status: webhook.Status{Status: "read"}}, nil}, {20 * h, woken, []string{"reminder"}},
		},
		"nor from what WhatsApp says of the customer": {
			{0, written("w", 0), []string{ticket}}, {10 * h, withSettings(of(webhook.TypeSystem, "w2", now.Add(10*h))), []string{"note WhatsApp: the customer's account c"}},
			{20 * h, woken, []string{"reminder"}},
		},
		"each window has its own": {
			{0, written("w", 0), []string{ticket}}, {20 * h, woken, []string{"reminder"}}, {21 * h, written("w2", 21*h), []string{"article"}}, {41 * h, woken, []string{"reminder"}},
		},
		"a message that came late and is older moves nothing": {
			{20 * h, written("w", 0), []string{ticket}}, {20 * h, woken, []string{"reminder"}}, {21 * h, written("w2", -h), []string{"article"}}, {22*h - 1, woken, nil},
		},
		"a late reminder is sent while there is time to answer": {
			{0, written("w", 0), []string{ticket}}, {24*h - 15*m, woken, []string{"reminder", closes}},
		},
		"and not in the last minutes, which the ticket says": {
			{0, written("w", 0), []string{ticket}}, {24*h - 15*m + 1, woken, []string{closes}}, {24 * h, woken, []string{closed}},
		},
		"a reminder that is on time is sent even then": {
			{0, func() conversation.Event { e := written("w", 0); e.Settings = early; return e }(), []string{ticket}},
			{24*h - m, conversation.Woken{Settings: early}, []string{"reminder", closes}},
		},
		"a closed ticket has none": {
			{0, written("w", 0), []string{ticket}}, {h, closing, []string{"goodbye"}}, {20 * h, woken, nil}, {24 * h, woken, nil},
		},
		"a ticket that is open again has": {
			{0, written("w", 0), []string{ticket}}, {h, closing, []string{"goodbye"}}, {2 * h, conversation.TicketReopened{Epoch: 1, Settings: keepsTime}, nil}, {20 * h, woken, []string{"reminder"}},
		},
		"the end of the window is announced and told, each once": {
			{0, written("w", 0), []string{ticket}}, {22*h - 1, conversation.Woken{}, nil}, {22 * h, conversation.Woken{}, []string{closes}}, {24*h - 1, conversation.Woken{}, nil}, {24 * h, conversation.Woken{}, []string{closed}}, {25 * h, conversation.Woken{}, nil},
		},
		"and again of the next window": {
			{0, written("w", 0), []string{ticket}}, {24 * h, conversation.Woken{}, []string{closed}}, {25 * h, written("w2", 25*h), []string{"article"}}, {49 * h, conversation.Woken{}, []string{closed}},
		},
		"an answer of the customer puts the end off": {
			{0, written("w", 0), []string{ticket}}, {21 * h, written("w2", 21*h), []string{"article"}}, {22 * h, conversation.Woken{}, nil}, {43 * h, conversation.Woken{}, []string{closes}},
		},
		"and is announced anew, however often": {
			{0, written("w", 0), []string{ticket}}, {22 * h, conversation.Woken{}, []string{closes}}, {23 * h, written("w2", 23*h), []string{"article"}}, {45 * h, conversation.Woken{}, []string{closes}},
		},
		"it is announced when agents wait for the customer, too": {
			{0, written("w", 0), []string{ticket}}, {h, reply, []string{"reply"}}, {2 * h, conversation.TicketPending{Epoch: 1}, nil}, {22 * h, conversation.Woken{}, []string{closes}},
		},
		"and late, while agents can still reply": {
			{0, written("w", 0), []string{ticket}}, {24*h - m, conversation.Woken{}, []string{closes}}, {24 * h, conversation.Woken{}, []string{closed}},
		},
		"a message that comes hours late leaves less time": {
			{23 * h, written("w", 0), []string{ticket}}, {23 * h, conversation.Woken{}, []string{closes}},
		},
		"of a closed ticket it is not announced": {
			{0, written("w", 0), []string{ticket}}, {21 * h, closing, []string{"goodbye"}}, {22 * h, conversation.Woken{}, nil},
		},
		"but of one that is open again": {
			{0, written("w", 0), []string{ticket}}, {21 * h, closing, []string{"goodbye"}}, {23 * h, conversation.TicketReopened{Epoch: 1}, nil}, {23 * h, conversation.Woken{}, []string{closes}},
		},
		"and of a new ticket in the same window": {
			{0, written("w", 0), []string{ticket}}, {22 * h, conversation.Woken{}, []string{closes}}, {22 * h, closing, []string{"goodbye"}}, {23 * h, written("w2", -h), []string{ticket}}, {23 * h, conversation.Woken{}, []string{closes}},
		},
		"a message that comes days late has no window any more": {
			{50 * h, written("w", 0), []string{ticket}}, {50 * h, woken, []string{closed}},
		},
		"a receiver that was down through everything says so": {
			{0, written("w", 0), []string{ticket}}, {72 * h, woken, []string{closed}},
		},
		"a clock that went back does nothing twice": {
			{0, written("w", 0), []string{ticket}}, {24 * h, woken, []string{closed}}, {19 * h, woken, nil}, {20 * h, woken, nil}, {23 * h, woken, nil}, {24 * h, woken, nil},
		},
		"the goodbye is said once a ticket": {
			{0, written("w", 0), []string{ticket}}, {h, closing, []string{"goodbye"}}, {h, closing, nil}, {h, conversation.TicketReopened{Epoch: 1, Settings: keepsTime}, nil}, {2 * h, closing, nil},
			{3 * h, written("w2", 3*h), []string{ticket}}, {4 * h, conversation.TicketClosed{Epoch: 2, Settings: keepsTime}, []string{"goodbye"}},
		},
		"and not after the window": {
			{0, written("w", 0), []string{ticket}}, {24 * h, closing, nil},
		},
		"a reminder that was declared later is sent": {
			{0, text("w", "x", now), []string{ticket, "welcome"}}, {20 * h, woken, []string{"reminder"}},
		},
		"a reminder that is declared no more is not": {
			{0, written("w", 0), []string{ticket}}, {20 * h, conversation.Woken{}, nil},
		},
	} {
		t.Run(name, func(t *testing.T) { tell(t, story) })
	}
}

func TestWhenAConversationWantsToBeWoken(t *testing.T) {
	woken := conversation.Woken{Settings: keepsTime}
	wakesAfter := func(want time.Duration, story ...after) {
		t.Helper()
		if got := tell(t, story).WakeAt().Sub(now); got != want {
			t.Errorf("wakes after %v, want %v", got, want)
		}
	}
	first := after{0, written("w", 0), []string{ticket}}
	wakesAfter(20*h, first)
	wakesAfter(22*h, first, after{20 * h, woken, []string{"reminder"}})
	wakesAfter(22*h, first, after{h, conversation.Woken{}, nil})
	wakesAfter(24*h, first, after{22 * h, conversation.Woken{}, []string{closes}})
	for name, story := range map[string][]after{
		"told the end": {first, {25 * h, woken, []string{closed}}},
		"closed":       {first, {h, conversation.TicketClosed{Epoch: 1}, nil}},
		"unknown":      {},
	} {
		if at := tell(t, story).WakeAt(); !at.IsZero() {
			t.Errorf("%s: wakes at %v", name, at)
		}
	}
}

func TestAMissedReminderIsTold(t *testing.T) {
	s, _ := conversation.Step(conversation.State{ID: "c"}, written("w", 0), now)
	_, effects := conversation.Step(s, conversation.Woken{Settings: keepsTime}, now.Add(30*h))
	if len(effects) != 1 || !strings.Contains(effects[0].AddArticle.Text, "The reminder was not sent") {
		t.Errorf("effects: %+v", effects)
	}
	s, _ = conversation.Step(s, conversation.Woken{Settings: keepsTime}, now.Add(20*h))
	_, effects = conversation.Step(s, conversation.Woken{Settings: keepsTime}, now.Add(24*h))
	if len(effects) != 1 || strings.Contains(effects[0].AddArticle.Text, "reminder") {
		t.Errorf("effects: %+v", effects)
	}
}

func TestAgentsAreToldUntilWhenTheyCanReply(t *testing.T) {
	s, _ := conversation.Step(conversation.State{ID: "c"}, written("w", 0), now)
	_, effects := conversation.Step(s, conversation.Woken{}, now.Add(23*time.Hour))
	want := &conversation.Article{
		ID: "c/1/window-near-end/1793613600", Author: conversation.AuthorNote, WrittenAt: now.Add(23 * time.Hour),
		Text: "The customer service window closes on 3 November 2026 at 10:00 UTC, 24 hours after the customer's last message. " +
			"After that WhatsApp accepts no reply until the customer writes again.",
	}
	if len(effects) != 1 || !cmp.Equal(want, effects[0].AddArticle) {
		t.Errorf("effects: %+v", effects)
	}
}

func TestPendingTickets(t *testing.T) {
	pending := after{h, conversation.TicketPending{Epoch: 1}, nil}
	first := after{0, written("w", 0), []string{ticket}}
	for name, moment := range map[string]after{
		"a message reopens it":      {2 * h, written("w2", 2*h), []string{"article", "open"}},
		"a reaction does not":       {2 * h, withSettings(of(webhook.TypeReaction, "w2", now)), []string{"article"}},
		"an earlier one is none":    {2 * h, conversation.TicketPending{Epoch: 7}, nil},
		"it can be closed":          {2 * h, conversation.TicketClosed{Epoch: 1, Settings: keepsTime}, []string{"goodbye"}},
		"and it is told of its end": {24 * h, conversation.Woken{}, []string{closed}},
		"an agent's reply is sent":  {2 * h, conversation.ReplyWritten{ID: "r", Epoch: 1, Text: "Hi"}, []string{"reply"}},
	} {
		t.Run(name, func(t *testing.T) { tell(t, []after{first, pending, moment}) })
	}
	tell(t, []after{first, pending, {2 * h, written("w2", 2*h), []string{"article", "open"}}, {3 * h, written("w3", 3*h), []string{"article"}}})
}

func TestAReminderThatHadToWaitMayBeOutdated(t *testing.T) {
	s, _ := conversation.Step(conversation.State{ID: "c"}, written("w", 0), now)
	s, effects := conversation.Step(s, conversation.Woken{Settings: keepsTime}, now.Add(20*h))
	reminder := *effects[1].SendText
	answered, _ := conversation.Step(s, written("w2", 21*h), now.Add(21*h))
	ended, _ := conversation.Step(s, conversation.TicketClosed{Epoch: 1}, now.Add(21*h))
	for name, tc := range map[string]struct {
		state conversation.State
		after time.Duration
		want  string
	}{
		"at once":                {s, 20 * h, ""},
		"later":                  {s, 23 * h, ""},
		"after an answer":        {answered, 22 * h, "has written"},
		"after the end":          {ended, 22 * h, "was closed"},
		"in the last 15 minutes": {s, 24*h - 10*m, "too little was left"},
	} {
		if got := tc.state.Outdated(reminder, now.Add(tc.after)); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	_, effects = conversation.Step(s, conversation.ReplyWritten{ID: "r", Epoch: 1, Text: "Hi"}, now.Add(21*h))
	if got := answered.Outdated(*effects[0].SendText, now.Add(22*h)); got != "" {
		t.Errorf("a reply is outdated: %s", got)
	}
}
