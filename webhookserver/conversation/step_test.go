package conversation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

var (
	now      = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	settings = conversation.Settings{TargetGroup: "2nd Level", Welcome: "Welcome!"}
)

func text(id, body string, at time.Time) conversation.MessageReceived {
	return conversation.MessageReceived{
		Message: webhook.Message{
			ID: id, From: "16505551234", FromUserID: "US.1", Type: webhook.TypeText, Timestamp: at, Text: &webhook.Text{Body: body},
		},
		Contact:  webhook.Contact{Name: "Sheena", WAID: "16505551234", UserID: "US.1"},
		Settings: settings,
	}
}

func of(messageType, id string, at time.Time) conversation.MessageReceived {
	e := text(id, "", at)
	e.Message.Type, e.Message.Text = messageType, nil
	return e
}

// keys words effects as their keys.
func keys(effects []conversation.Effect) []string {
	var list []string
	for _, e := range effects {
		list = append(list, e.Key)
	}
	return list
}

func opened(t *testing.T) conversation.State {
	t.Helper()
	s, effects := conversation.Step(conversation.State{ID: "c"}, text("w1", "Hello", now), now)
	if len(effects) == 0 || !s.Open {
		t.Fatal("no ticket was opened")
	}
	return s
}

func TestMessages(t *testing.T) {
	closed, _ := conversation.Step(opened(t), conversation.TicketClosed{Epoch: 1}, now)
	withTicket := []string{"c/1/ticket", "c/1/welcome/article", "c/1/welcome/send/1"}
	for name, tc := range map[string]struct {
		state conversation.State
		event conversation.MessageReceived
		want  []string
		epoch int
		open  bool
	}{
		"the first one opens a ticket and is welcomed":    {conversation.State{ID: "c"}, text("w", "Hello", now), withTicket, 1, true},
		"a further one is added to the ticket":            {opened(t), text("w", "More", now), []string{"w/article"}, 1, true},
		"one after the end opens another ticket":          {closed, text("w", "Again", now), []string{"c/2/ticket", "c/2/welcome/article", "c/2/welcome/send/1"}, 2, true},
		"one of yesterday is not welcomed":                {conversation.State{ID: "c"}, text("w", "Hello", now.Add(-24*time.Hour)), []string{"c/1/ticket"}, 1, true},
		"one within the window is welcomed, however late": {conversation.State{ID: "c"}, text("w", "Hello", now.Add(-24*time.Hour+time.Second)), withTicket, 1, true},
		"an image opens a ticket, too":                    {conversation.State{ID: "c"}, of(webhook.TypeImage, "w", now), withTicket, 1, true},
		"one of an unknown type opens a ticket, too":      {conversation.State{ID: "c"}, of("hologram", "w", now), withTicket, 1, true},
		"a reaction stays on the ticket that was closed":  {closed, of(webhook.TypeReaction, "w", now), []string{"w/article"}, 1, false},
		"a deletion stays on the ticket that was closed":  {closed, of(webhook.TypeRevoke, "w", now), []string{"w/article"}, 1, false},
		"a reaction without a ticket opens none":          {conversation.State{ID: "c"}, of(webhook.TypeReaction, "w", now), nil, 0, false},
		"an edit without a ticket opens one, unwelcomed":  {conversation.State{ID: "c"}, of(webhook.TypeEdit, "w", now), []string{"c/1/ticket"}, 1, true},
		"a new number without a ticket opens none":        {conversation.State{ID: "c"}, of(webhook.TypeSystem, "w", now), nil, 0, false},
		"an opened chat is no message yet":                {conversation.State{ID: "c"}, of(webhook.TypeRequestWelcome, "w", now), nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, effects := conversation.Step(tc.state, tc.event, now)
			if diff := cmp.Diff(tc.want, keys(effects)); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
			if s.Epoch != tc.epoch || s.Open != tc.open {
				t.Errorf("epoch %d open %v, want %d %v", s.Epoch, s.Open, tc.epoch, tc.open)
			}
		})
	}
}

func TestATicketSaysWhoAndWhat(t *testing.T) {
	_, effects := conversation.Step(conversation.State{ID: "c"}, text("w1", "Hello", now), now)
	want := &conversation.OpenTicket{
		Group:    "2nd Level",
		Customer: conversation.Customer{UserID: "US.1", Phone: "16505551234", PhoneShown: true, Name: "Sheena"},
		Article:  conversation.Article{ID: "w1", Author: conversation.AuthorCustomer, Type: "text", Text: "Hello", WrittenAt: now},
	}
	if diff := cmp.Diff(want, effects[0].OpenTicket); diff != "" {
		t.Errorf("ticket (-want +got):\n%s", diff)
	}
	image := of(webhook.TypeImage, "w2", now)
	image.Message.Image = &webhook.Media{Caption: "Taj Mahal"}
	_, effects = conversation.Step(opened(t), image, now)
	if got := effects[0].AddArticle.Text; got != "Image: Taj Mahal" {
		t.Errorf("article of an image: %q", got)
	}
}

func TestNoWelcomeIsNoWelcome(t *testing.T) {
	e := text("w", "Hello", now)
	e.Settings.Welcome = ""
	_, effects := conversation.Step(conversation.State{ID: "c"}, e, now)
	if len(effects) != 1 {
		t.Errorf("effects: %v", keys(effects))
	}
}

func TestTheWindowFollowsTheMessagesOwnTime(t *testing.T) {
	s := conversation.State{ID: "c"}
	for i, tc := range []struct{ at, want time.Time }{
		{now.Add(-3 * time.Hour), now.Add(21 * time.Hour)},
		{now.Add(-5 * time.Hour), now.Add(21 * time.Hour)}, // An older one that came later.
		{now.Add(time.Hour), now.Add(24 * time.Hour)},      // A clock that is ahead opens nothing.
		{time.Time{}, now.Add(24 * time.Hour)},
	} {
		s, _ = conversation.Step(s, text(fmt.Sprint(i), "x", tc.at), now)
		if !s.WindowEnds().Equal(tc.want) {
			t.Errorf("message %d: the window ends %v, want %v", i, s.WindowEnds(), tc.want)
		}
	}
	before := s.LastMessageAt
	s, _ = conversation.Step(s, of(webhook.TypeSystem, "s", now), now.Add(time.Hour))
	if !s.LastMessageAt.Equal(before) {
		t.Error("news of WhatsApp's own opened the window")
	}
}

func TestReplies(t *testing.T) {
	reply := func(text string) conversation.ReplyWritten {
		return conversation.ReplyWritten{ID: "r", Epoch: 1, Text: text}
	}
	t.Run("are sent", func(t *testing.T) {
		_, effects := conversation.Step(opened(t), reply("Hi"), now)
		if diff := cmp.Diff([]string{"r/send/1"}, keys(effects)); diff != "" {
			t.Fatal(diff)
		}
		want := &conversation.SendText{Part: conversation.Part{Outgoing: "r"}, Purpose: conversation.Reply, Text: "Hi"}
		if diff := cmp.Diff(want, effects[0].SendText); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("are split when they are long", func(t *testing.T) {
		_, effects := conversation.Step(opened(t), reply(strings.Repeat("é", conversation.MaxText+1)), now)
		if diff := cmp.Diff([]string{"r/send/1", "r/send/2"}, keys(effects)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("of which nothing is left are not sent, and the ticket says why", func(t *testing.T) {
		_, effects := conversation.Step(opened(t), reply(""), now)
		if len(effects) != 1 || effects[0].AddArticle == nil || effects[0].AddArticle.Author != conversation.AuthorNote {
			t.Fatalf("effects: %+v", effects)
		}
		if note := effects[0].AddArticle.Text; !strings.Contains(note, "not sent") {
			t.Errorf("note: %q", note)
		}
	})
	t.Run("after the window are not sent, and the ticket says why", func(t *testing.T) {
		s, effects := conversation.Step(opened(t), reply(strings.Repeat("é", conversation.MaxText+1)), now.Add(conversation.Window))
		if len(effects) != 1 || effects[0].SetDelivery == nil || effects[0].SetDelivery.Delivery != conversation.NotSent {
			t.Fatalf("effects: %+v", effects)
		}
		if reason := effects[0].SetDelivery.Reason; !strings.Contains(reason, "3 November 2026 at 10:00 UTC") {
			t.Errorf("reason: %q", reason)
		}
		if _, effects = conversation.Step(s, conversation.StatusReceived{
			Sent: conversation.Part{Outgoing: "r"}, Status: webhook.Status{Status: webhook.StatusSent},
		}, now); len(effects) != 0 {
			t.Error("a reply that was not sent became sent")
		}
	})
}

func TestDeliveryMovesForward(t *testing.T) {
	part := func(i int) conversation.Part { return conversation.Part{Outgoing: "r", Index: i} }
	status := func(i int, s string) conversation.Event {
		return conversation.StatusReceived{Sent: part(i), Status: webhook.Status{Status: s, Errors: []webhook.Error{{Code: 131026, Details: "Unable to deliver"}}}}
	}
	end := func(i int, o conversation.Outcome) conversation.Event {
		return conversation.SendFinished{Sent: part(i), Outcome: o, Reason: "why"}
	}
	for name, tc := range map[string]struct {
		parts  int
		events []conversation.Event
		want   []string
	}{
		"in order":                                {1, []conversation.Event{end(0, conversation.Accepted), status(0, "sent"), status(0, "delivered"), status(0, "read")}, []string{"sent", "delivered", "read"}},
		"out of order":                            {1, []conversation.Event{status(0, "read"), status(0, "sent"), status(0, "delivered")}, []string{"read"}},
		"a status before the answer":              {1, []conversation.Event{status(0, "sent"), end(0, conversation.Accepted)}, []string{"sent"}},
		"repeated":                                {1, []conversation.Event{status(0, "sent"), status(0, "sent")}, []string{"sent"}},
		"failed, with the reason":                 {1, []conversation.Event{status(0, "failed"), status(0, "sent")}, []string{"failed: Unable to deliver (WhatsApp error 131026)"}},
		"what arrived did not fail":               {1, []conversation.Event{status(0, "delivered"), status(0, "failed")}, []string{"delivered"}},
		"unknown is overtaken by a status":        {1, []conversation.Event{end(0, conversation.Unknown), status(0, "delivered")}, []string{"uncertain: why", "delivered"}},
		"refused":                                 {1, []conversation.Event{end(0, conversation.Refused)}, []string{"not-sent: why"}},
		"an unknown status means nothing":         {1, []conversation.Event{status(0, "warped")}, nil},
		"a part that is not there":                {1, []conversation.Event{status(7, "sent")}, nil},
		"the slowest part counts":                 {2, []conversation.Event{status(0, "read"), status(1, "sent"), status(1, "delivered")}, []string{"sent", "delivered"}},
		"a late status does not take a part back": {2, []conversation.Event{status(0, "read"), status(0, "sent"), status(1, "read")}, []string{"read"}},
		"one failed part fails the whole":         {2, []conversation.Event{status(0, "sent"), status(1, "failed")}, []string{"failed: Unable to deliver (WhatsApp error 131026)"}},
		"a message that nobody knows is no one":   {0, []conversation.Event{status(0, "sent")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t)
			if tc.parts > 0 {
				s, _ = conversation.Step(s, conversation.ReplyWritten{ID: "r", Epoch: 1, Text: strings.Repeat("x", conversation.MaxText*(tc.parts-1)+1)}, now)
			}
			var shown []string
			for _, e := range tc.events {
				var effects []conversation.Effect
				s, effects = conversation.Step(s, e, now)
				for _, e := range effects {
					line := string(e.SetDelivery.Delivery)
					if e.SetDelivery.Reason != "" {
						line += ": " + e.SetDelivery.Reason
					}
					shown = append(shown, line)
				}
			}
			if diff := cmp.Diff(tc.want, shown); diff != "" {
				t.Errorf("the ticket shows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAReplyThatIsRepeatedIsMarked(t *testing.T) {
	s, _ := conversation.Step(opened(t), conversation.ReplyWritten{ID: "r", Epoch: 1, Text: "Hi"}, now)
	_, effects := conversation.Step(s, conversation.SendFinished{
		Sent: conversation.Part{Outgoing: "r"}, Outcome: conversation.Repeated, Reason: "twice",
	}, now)
	if len(effects) != 1 || effects[0].AddArticle == nil || effects[0].AddArticle.Author != conversation.AuthorNote || effects[0].AddArticle.Text != "twice" {
		t.Errorf("effects: %+v", effects)
	}
}

func TestWhereMessagesGo(t *testing.T) {
	number := func(from, user string, system *webhook.System) conversation.MessageReceived {
		e := text("w", "x", now)
		e.Contact = webhook.Contact{}
		e.Message.From, e.Message.FromUserID, e.Message.System = from, user, system
		return e
	}
	for name, tc := range map[string]struct {
		events      []conversation.MessageReceived
		phone, user string
	}{
		"to the phone number that was shown":      {[]conversation.MessageReceived{number("1555", "US.1", nil)}, "1555", ""},
		"to the user ID where none was shown":     {[]conversation.MessageReceived{number("", "US.1", nil)}, "", "US.1"},
		"not to a number that is no longer shown": {[]conversation.MessageReceived{number("1555", "US.1", nil), number("", "US.1", nil)}, "", "US.1"},
		"to the new number":                       {[]conversation.MessageReceived{number("1555", "", nil), number("1555", "", &webhook.System{Type: webhook.SystemUserChangedNumber, WAID: "1666"})}, "1666", ""},
		"to the new user ID":                      {[]conversation.MessageReceived{number("", "US.1", nil), number("", "US.1", &webhook.System{Type: webhook.SystemUserChangedUserID, UserID: "US.2", PreviousUserID: "US.1"})}, "", "US.2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := conversation.State{ID: "c"}
			for _, e := range tc.events {
				s, _ = conversation.Step(s, e, now)
			}
			if phone, user := s.Customer.Address(); phone != tc.phone || user != tc.user {
				t.Errorf("Address() = %q, %q; want %q, %q", phone, user, tc.phone, tc.user)
			}
		})
	}
}

func TestClosingAnEarlierTicketChangesNothing(t *testing.T) {
	s, _ := conversation.Step(opened(t), conversation.TicketClosed{Epoch: 1}, now)
	s, _ = conversation.Step(s, text("w2", "Again", now), now)
	if s, _ = conversation.Step(s, conversation.TicketClosed{Epoch: 1}, now); !s.Open {
		t.Error("closing the first ticket closed the second")
	}
}

func TestWhatIsFinalIsForgotten(t *testing.T) {
	s, _ := conversation.Step(opened(t), conversation.ReplyWritten{ID: "r", Epoch: 1, Text: "Hi"}, now)
	s, _ = conversation.Step(s, conversation.TicketClosed{Epoch: 9}, now.Add(31*24*time.Hour))
	if len(s.Outgoing) != 0 {
		t.Errorf("%d messages are still remembered", len(s.Outgoing))
	}
}

func TestSplit(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"short":              {"ab", []string{"ab"}},
		"empty":              {" ", []string{""}},
		"fits":               {"abcde", []string{"abcde"}},
		"between words":      {"ab cd ef", []string{"ab cd", "ef"}},
		"at the very limit":  {"abcde fg", []string{"abcde", "fg"}},
		"a long word":        {"abcdefg", []string{"abcde", "fg"}},
		"characters, bytes":  {"ääääää", []string{"äääää", "ä"}},
		"white space is cut": {"ab \n\n cd", []string{"ab", "cd"}},
	} {
		if diff := cmp.Diff(tc.want, conversation.Split(tc.text, 5)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
