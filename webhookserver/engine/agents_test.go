package engine_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// outside is a helpdesk outside, as far as the receiver knows it.
type outside struct {
	*bench
	*engine.Agents
	changed int
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{bench: newBench(t)}
	o.Agents = &engine.Agents{
		Store: o.store, Clock: clocktest.New(start), Helpdesk: "zammad https://zammad.example.com",
		Settings: func() conversation.Settings { return conversation.Settings{Goodbye: "Goodbye."} }, Changed: func() { o.changed++ },
	}
	return o
}

// conversation makes a conversation whose ticket is open, and links the ticket.
func (o *outside) conversation(id, ticket string) {
	o.t.Helper()
	o.update(func(tx *store.Tx) error {
		if err := tx.SaveConversation(conversation.State{ID: id, Epoch: 1, Open: true, LastMessageAt: start}, start); err != nil || ticket == "" {
			return err
		}
		return tx.LinkTicket(store.TicketLink{Helpdesk: o.Helpdesk, Ticket: ticket, Conversation: id, Epoch: 1, Open: true})
	})
}

func (o *outside) update(fn func(*store.Tx) error) {
	o.t.Helper()
	if err := o.store.Update(o.t.Context(), fn); err != nil {
		o.t.Fatal(err)
	}
}

func (o *outside) state(id string) (s conversation.State) {
	o.t.Helper()
	o.view(func(tx *store.Tx) (err error) {
		s, _, err = tx.Conversation(id)
		return err
	})
	return s
}

// wanted lists what conversations want, one line an effect.
func (o *outside) wanted() (lines []string) {
	o.t.Helper()
	o.view(func(tx *store.Tx) error {
		for id := int64(1); ; id++ {
			e, found, err := tx.Effect(id)
			if err != nil || !found {
				return err
			}
			switch {
			case e.SendText != nil:
				lines = append(lines, e.Conversation+" sends "+e.SendText.Text)
			case e.AddArticle != nil:
				lines = append(lines, e.Conversation+" shows "+string(e.AddArticle.Author))
			default:
				lines = append(lines, e.Conversation+" "+string(e.Kind))
			}
		}
	})
	return lines
}

// tell checks that what was told was taken, or not.
func (o *outside) tell(wantOurs bool) func(bool, error) {
	o.t.Helper()
	return func(ours bool, err error) {
		o.t.Helper()
		if err != nil || ours != wantOurs {
			o.t.Errorf("ours: %v, %v, want %v", ours, err, wantOurs)
		}
	}
}

func ref(id string) helpdesk.TicketRef { return helpdesk.TicketRef{ID: id} }

func TestAnAgentsArticleIsSentOnceHoweverOftenItIsTold(t *testing.T) {
	o := newOutside(t)
	o.conversation("c1", "7")
	for range 3 {
		o.tell(true)(o.Replied(t.Context(), helpdesk.Reply{Ticket: ref("7"), Article: "70", Text: "Tomorrow."}))
	}
	o.tell(true)(o.Replied(t.Context(), helpdesk.Reply{Ticket: ref("7"), Article: "71", Text: "At noon."}))
	o.tell(false)(o.Replied(t.Context(), helpdesk.Reply{Ticket: ref("8"), Article: "80", Text: "To somebody else."}))
	if diff := cmp.Diff([]string{"c1 sends Tomorrow.", "c1 sends At noon."}, o.wanted()); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
	taken, err := o.Taken(t.Context(), []string{"70", "71", "80"})
	if diff := cmp.Diff(map[string]bool{"70": true, "71": true}, taken); err != nil || diff != "" {
		t.Errorf("taken: %v\n%s", err, diff)
	}
	var id string
	o.view(func(tx *store.Tx) (err error) {
		id, err = tx.AgentArticle(o.Helpdesk, engine.ReplyID("c1", o.Helpdesk+"/70"))
		return err
	})
	if id != "70" {
		t.Errorf("the reply's article is %q, so its delivery could not be shown on it", id)
	}
}

func TestFilesThatCannotBeSentAreToldOnTheTicket(t *testing.T) {
	o := newOutside(t)
	o.conversation("c1", "7")
	refused := []conversation.RefusedFile{{Name: "a.zip", Reason: "WhatsApp does not take it."}}
	o.tell(true)(o.Replied(t.Context(), helpdesk.Reply{Ticket: ref("7"), Article: "70", Text: "Here it is.", Refused: refused}))
	o.tell(true)(o.Replied(t.Context(), helpdesk.Reply{Ticket: ref("7"), Article: "71", Refused: refused}))
	if diff := cmp.Diff([]string{"c1 shows note", "c1 sends Here it is.", "c1 shows note"}, o.wanted()); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
}

func TestAConversationFollowsTheStateThatItsTicketIsFoundIn(t *testing.T) {
	o := newOutside(t)
	o.conversation("c1", "7")
	o.tell(true)(o.InState(t.Context(), ref("7"), conversation.TicketIsOpen))
	if o.changed != 0 {
		t.Error("a ticket found as it was caused work")
	}
	o.tell(true)(o.InState(t.Context(), ref("7"), conversation.TicketIsPending))
	if s := o.state("c1"); !s.Open || !s.Pending {
		t.Errorf("after pending: %+v", s)
	}
	for range 2 {
		o.tell(true)(o.InState(t.Context(), ref("7"), conversation.TicketIsClosed))
	}
	open, err := o.OpenTickets(t.Context(), "", 10)
	if err != nil || len(open) != 0 {
		t.Errorf("open tickets: %v, %v", open, err)
	}
	o.tell(true)(o.InState(t.Context(), ref("7"), conversation.TicketIsOpen))
	o.tell(true)(o.InState(t.Context(), ref("7"), conversation.TicketIsClosed))
	o.tell(false)(o.InState(t.Context(), ref("8"), conversation.TicketIsClosed))
	if diff := cmp.Diff([]string{"c1 shows channel", "c1 sends Goodbye."}, o.wanted()); diff != "" {
		t.Errorf("one ticket has one goodbye (-want +got):\n%s", diff)
	}
}

func TestAnOlderTicketChangesNothingForTheNewerOne(t *testing.T) {
	o := newOutside(t)
	o.conversation("c1", "7")
	o.update(func(tx *store.Tx) error {
		if err := tx.SaveConversation(conversation.State{ID: "c1", Epoch: 2, Open: true, LastMessageAt: start}, start); err != nil {
			return err
		}
		return tx.LinkTicket(store.TicketLink{Helpdesk: o.Helpdesk, Ticket: "9", Conversation: "c1", Epoch: 2, Open: true})
	})
	o.tell(true)(o.InState(t.Context(), ref("7"), conversation.TicketIsClosed))
	if s := o.state("c1"); !s.Open {
		t.Error("closing the older ticket closed the newer one")
	}
}

func TestATicketIsKnownByItsMarkerBeforeTheAnswerThatNamesIt(t *testing.T) {
	o := newOutside(t)
	o.conversation("c1", "")
	marked := helpdesk.TicketRef{ID: "7", Marker: "c1/1"}
	o.tell(true)(o.Replied(t.Context(), helpdesk.Reply{Ticket: marked, Article: "70", Text: "Quick."}))
	for _, foreign := range []helpdesk.TicketRef{
		{ID: "8", Marker: "c1/1"}, {ID: "9", Marker: "c1/2"}, {ID: "9", Marker: "c1/0"}, {ID: "9", Marker: "c2/1"}, {ID: "9", Marker: "c1"}, {ID: "9", Marker: "c1/x"},
	} {
		o.tell(false)(o.Replied(t.Context(), helpdesk.Reply{Ticket: foreign, Article: "90", Text: "Not ours."}))
	}
	if got := o.wanted(); !slices.Equal(got, []string{"c1 sends Quick."}) {
		t.Errorf("wanted %q", got)
	}
}

func (o *outside) ticketOf(id string, epoch int) (ticket string) {
	o.t.Helper()
	o.view(func(tx *store.Tx) error {
		link, found, err := tx.TicketOf(o.Helpdesk, id, epoch)
		if found {
			ticket = link.Ticket
		}
		return err
	})
	return ticket
}

func TestMergesAreFollowed(t *testing.T) {
	t.Run("into a ticket of nobody", func(t *testing.T) {
		o := newOutside(t)
		o.conversation("c1", "7")
		for range 2 {
			o.tell(true)(o.Merged(t.Context(), ref("7"), "8"))
		}
		o.tell(true)(o.Replied(t.Context(), helpdesk.Reply{Ticket: ref("8"), Article: "80", Text: "Here."}))
		if got := o.ticketOf("c1", 1); got != "8" {
			t.Errorf("articles go to %q", got)
		}
		if open, err := o.OpenTickets(t.Context(), "", 10); err != nil || !slices.Equal(open, []string{"8"}) {
			t.Errorf("open tickets: %v, %v", open, err)
		}
		o.tell(true)(o.Merged(t.Context(), ref("8"), "9"))
		if got := o.ticketOf("c1", 1); got != "9" {
			t.Errorf("after a second merge, articles go to %q", got)
		}
	})
	t.Run("into the customer's older ticket", func(t *testing.T) {
		o := newOutside(t)
		o.conversation("c1", "7")
		o.update(func(tx *store.Tx) error {
			if err := tx.SaveConversation(conversation.State{ID: "c1", Epoch: 2, Open: true, LastMessageAt: start}, start); err != nil {
				return err
			}
			return tx.LinkTicket(store.TicketLink{Helpdesk: o.Helpdesk, Ticket: "9", Conversation: "c1", Epoch: 2, Open: true})
		})
		o.tell(true)(o.Merged(t.Context(), ref("9"), "7"))
		o.tell(true)(o.InState(t.Context(), ref("7"), conversation.TicketIsClosed))
		if s := o.state("c1"); s.Open || o.ticketOf("c1", 2) != "7" {
			t.Errorf("the conversation does not go on in the older ticket: open %v, articles to %q", s.Open, o.ticketOf("c1", 2))
		}
	})
	t.Run("into another customer's ticket", func(t *testing.T) {
		o := newOutside(t)
		o.conversation("c1", "7")
		o.conversation("c2", "8")
		o.tell(true)(o.Merged(t.Context(), ref("7"), "8"))
		if s := o.state("c1"); s.Open {
			t.Error("the first customer's next message would go to the other's ticket")
		}
		o.tell(true)(o.Replied(t.Context(), helpdesk.Reply{Ticket: ref("8"), Article: "80", Text: "For the second."}))
		if diff := cmp.Diff([]string{"c2 shows note", "c2 sends For the second."}, o.wanted()); diff != "" {
			t.Errorf("wanted (-want +got):\n%s", diff)
		}
	})
}

func TestADeletedTicketIsClosedWithoutAWord(t *testing.T) {
	o := newOutside(t)
	o.conversation("c1", "7")
	o.tell(true)(o.Gone(t.Context(), ref("7")))
	o.tell(false)(o.Gone(t.Context(), ref("7")))
	if s := o.state("c1"); s.Open || len(o.wanted()) != 0 {
		t.Errorf("open %v, wanted %q", s.Open, o.wanted())
	}
	known, err := o.Tickets(t.Context(), []string{"7"})
	if err != nil || len(known) != 0 {
		t.Errorf("it is still known: %v, %v", known, err)
	}
}

func TestNotesAreEachHelpdesksOwnAndSwappedByOne(t *testing.T) {
	b := newBench(t)
	one, other := &engine.Notes{Store: b.store, Helpdesk: "one"}, &engine.Notes{Store: b.store, Helpdesk: "other"}
	for _, step := range []struct {
		notes           *engine.Notes
		expected, value string
		want            bool
	}{
		{one, "", "first", true}, {one, "", "second", false}, {other, "", "third", true}, {one, "first", "fourth", true}, {one, "first", "fifth", false},
	} {
		if got, err := step.notes.SwapNote(t.Context(), "cursor", step.expected, step.value); err != nil || got != step.want {
			t.Errorf("swap %q for %q: %v, %v", step.expected, step.value, got, err)
		}
	}
	if got, err := one.Note(t.Context(), "cursor"); err != nil || got != "fourth" {
		t.Errorf("note %q, %v", got, err)
	}
	if err := one.SetNote(t.Context(), "cursor", "sixth"); err != nil {
		t.Fatal(err)
	}
	if got, err := other.Note(t.Context(), "cursor"); err != nil || got != "third" {
		t.Errorf("the other's note is %q, %v", got, err)
	}
}
