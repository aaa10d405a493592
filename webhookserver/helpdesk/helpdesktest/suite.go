// Package helpdesktest tests what every helpdesk has to get right. A test of a helpdesk opens it on the Receiver that Run
// lends, and shows what agents see in it and do there.
package helpdesktest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// Desk is a helpdesk under test.
type Desk struct {
	helpdesk.Helpdesk
	// Forgets says that the helpdesk cannot look for what it has. It then shows a call that is repeated with the same
	// call key once.
	Forgets bool
	// See returns a ticket as agents see it.
	See func(ticket string) Ticket
	// LoseAnswer has the helpdesk carry out the next call, and the answer get lost, until it is taken back; nil where none
	// can get lost.
	LoseAnswer func() (undo func())
	// Agent is somebody who works in the helpdesk; nil where agents work through the private API.
	Agent *Agent
}

// Ticket is what agents see of a ticket.
type Ticket struct {
	State    conversation.TicketState
	Articles []Article
}

// Article is what agents see of an article. Text may have more around the author's words.
type Article struct {
	Text  string
	Files []string
}

// Agent works in a helpdesk outside.
type Agent struct {
	Reply                     func(ticket, text string)
	Close, SetPending, Reopen func(ticket string)
	// Foreign opens a ticket that is not the channel's, and writes a reply on it.
	Foreign func(text string)
}

// Open makes a helpdesk that is empty, and uses what it is lent.
type Open func(t *testing.T, r helpdesk.Receiver) Desk

// Run holds a helpdesk to what the interface says.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *world){
		"a ticket comes with its first article and its files":       testOpening,
		"articles come in order":                                    testOrder,
		"what was done can be found":                                testFinding,
		"a lost answer leaves nothing twice":                        testLostAnswers,
		"a ticket is brought into a state":                          testStates,
		"a customer's message on a closed ticket is seen":           testClosed,
		"a failure is told to the agent":                            testDelivery,
		"agents' replies come back once and in order, ours never":   testReplies,
		"a state comes back, and a ticket of nobody's does nothing": testEvents,
	} {
		t.Run(name, func(t *testing.T) { test(t, newWorld(t, open)) })
	}
}

func testOpening(t *testing.T, w *world) {
	t.Helper()
	article := customers("w1", "Look at this")
	for _, name := range []string{"one.png", "two.png"} {
		article.Attachments = append(article.Attachments, w.keep(name))
	}
	ticket := w.open(article)
	seen := w.desk.See(ticket)
	if seen.State != conversation.TicketIsOpen || len(seen.Articles) != 1 {
		t.Fatalf("agents see %+v", seen)
	}
	if !strings.Contains(seen.Articles[0].Text, "Look at this") || !slices.Equal(seen.Articles[0].Files, []string{"one.png", "two.png"}) {
		t.Errorf("its article: %+v", seen.Articles[0])
	}
}

func testOrder(t *testing.T, w *world) {
	t.Helper()
	ticket := w.open(customers("w1", "first"))
	want := []string{"first"}
	for i, a := range []conversation.Article{
		{ID: "c1/1/welcome", Author: conversation.AuthorChannel, Purpose: conversation.Welcome, Text: "second"},
		customers("w2", "third"),
		{ID: "n1", Author: conversation.AuthorNote, Text: "fourth"},
	} {
		w.must(w.add(ticket, a))
		want = append(want, a.Text)
		if got := len(w.desk.See(ticket).Articles); got != i+2 {
			t.Errorf("after %q, there are %d articles", a.Text, got)
		}
	}
	for i, a := range w.desk.See(ticket).Articles {
		if !strings.Contains(a.Text, want[i]) {
			t.Errorf("article %d is %q, want %q", i, a.Text, want[i])
		}
	}
}

func testFinding(t *testing.T, w *world) {
	t.Helper()
	if w.desk.Forgets {
		t.Skip("this helpdesk cannot look for what it has")
	}
	ticket := w.open(customers("w1", "Hello"))
	w.must(w.add(ticket, customers("w2", "Hello?")))
	for marker, want := range map[string]string{"c1/1": ticket, "c1/2": "", "c2/1": ""} {
		id, found, err := w.desk.FindTicket(t.Context(), marker)
		if err != nil || found != (want != "") || (found && id != want) {
			t.Errorf("the ticket %s is %q, %v, %v", marker, id, found, err)
		}
	}
	for article, want := range map[string]bool{"w1": true, "w2": true, "w3": false} {
		if found, err := w.desk.FindArticle(t.Context(), ticket, article); err != nil || found != want {
			t.Errorf("the article %s is found: %v, %v", article, found, err)
		}
	}
}

func testLostAnswers(t *testing.T, w *world) {
	t.Helper()
	if w.desk.LoseAnswer == nil {
		t.Skip("no answer of this helpdesk can get lost")
	}
	var ticket string
	w.inDoubt("open a ticket", func(ctx context.Context) (err error) {
		ticket, err = w.desk.OpenTicket(ctx, opening(customers("w1", "Hello")))
		return err
	}, func() (found bool, err error) {
		ticket, found, err = w.desk.FindTicket(t.Context(), "c1/1")
		return found, err
	})
	w.link(ticket)
	w.inDoubt("add an article", func(ctx context.Context) error {
		return w.desk.AddArticle(ctx, ticket, adding(customers("w2", "Hello?")))
	}, func() (bool, error) { return w.desk.FindArticle(t.Context(), ticket, "w2") })
	if seen := w.desk.See(ticket); len(seen.Articles) != 2 {
		t.Errorf("agents see %+v", seen)
	}
}

func testStates(t *testing.T, w *world) {
	t.Helper()
	ticket := w.open(customers("w1", "Hello"))
	for _, state := range []conversation.TicketState{
		conversation.TicketIsPending, conversation.TicketIsPending, conversation.TicketIsOpen, conversation.TicketIsClosed, conversation.TicketIsClosed,
	} {
		w.must(w.desk.SetState(w.call(), ticket, state))
		if seen := w.desk.See(ticket); seen.State != state {
			t.Errorf("it is %s, want %s", seen.State, state)
		}
	}
}

func testClosed(t *testing.T, w *world) {
	t.Helper()
	ticket := w.open(customers("w1", "Hello"))
	w.must(w.desk.SetState(w.call(), ticket, conversation.TicketIsClosed))
	w.must(w.add(ticket, conversation.Article{ID: "n1", Author: conversation.AuthorNote, Text: "For the record"}))
	if seen := w.desk.See(ticket); !w.desk.Forgets && seen.State != conversation.TicketIsClosed {
		t.Errorf("a note opened the ticket again: %s", seen.State)
	}
	w.must(w.add(ticket, customers("w2", "One more thing")))
	// Whoever keeps tickets by events decides by themselves.
	if seen := w.desk.See(ticket); !w.desk.Forgets && seen.State != conversation.TicketIsOpen {
		t.Errorf("nobody would see the message: the ticket is %s", seen.State)
	}
}

func testDelivery(t *testing.T, w *world) {
	t.Helper()
	ticket := w.open(customers("w1", "Hello"))
	w.must(w.add(ticket, conversation.Article{ID: "c1/1/welcome", Author: conversation.AuthorChannel, Purpose: conversation.Welcome, Text: "Welcome"}))
	failed := conversation.SetDelivery{ArticleID: "c1/1/welcome", Delivery: conversation.Failed, Reason: "The number is not on WhatsApp."}
	ctx := w.call()
	for range 2 {
		w.must(w.desk.SetDelivery(ctx, ticket, helpdesk.Delivery{SetDelivery: failed}))
	}
	told := 0
	for _, a := range w.desk.See(ticket).Articles {
		told += strings.Count(a.Text, failed.Reason)
	}
	if told != 1 {
		t.Errorf("agents read the reason %d times", told)
	}
}

func testReplies(t *testing.T, w *world) {
	t.Helper()
	agent := w.agent()
	ticket := w.open(customers("w1", "Hello"))
	var want []string
	for _, text := range []string{"one", "two", "three"} {
		w.must(w.add(ticket, conversation.Article{ID: "say " + text, Author: conversation.AuthorChannel, Purpose: conversation.Reminder, Text: "not " + text}))
		agent.Reply(ticket, text)
		want = append(want, text)
	}
	w.await(want...)
	agent.Reply(ticket, "four")
	w.await(append(want, "four")...)
}

func testEvents(t *testing.T, w *world) {
	t.Helper()
	agent := w.agent()
	ticket := w.open(customers("w1", "Hello"))
	agent.Foreign("to somebody else")
	for _, step := range []struct {
		do   func(string)
		want conversation.TicketState
	}{
		{agent.SetPending, conversation.TicketIsPending}, {agent.Reopen, conversation.TicketIsOpen}, {agent.Close, conversation.TicketIsClosed},
		{agent.Reopen, conversation.TicketIsOpen},
	} {
		step.do(ticket)
		w.awaitState(step.want)
	}
	agent.Reply(ticket, "to the customer")
	w.await("to the customer")
	if diff := cmp.Diff([]string{"to the customer"}, w.replies()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

// inDoubt makes a call whose answer gets lost, and goes on as the receiver does.
func (w *world) inDoubt(what string, call func(context.Context) error, find func() (bool, error)) {
	w.t.Helper()
	ctx := w.call()
	undo := w.desk.LoseAnswer()
	err := call(ctx)
	undo()
	known := (*helpdesk.Error)(nil)
	if err == nil || (errors.As(err, &known) && known.Means != helpdesk.InDoubt) {
		w.t.Errorf("%s: the lost answer means %v", what, err)
	}
	found, err := find()
	w.must(err)
	switch {
	case found == w.desk.Forgets:
		w.t.Errorf("%s: found %v", what, found)
	case !found:
		w.must(call(ctx))
	}
}
