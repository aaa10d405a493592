package zammad_test

import (
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func TestATicketSaysWhoItIsFromAndShowsTheMessageAsTheirs(t *testing.T) {
	w := newWorld(t)
	seen := w.seen(w.open())
	if seen.Title != "Nicole Braun (+491713920001) via WhatsApp" || seen.Group != "2nd Level" || seen.State != "new" ||
		strings.Join(seen.Tags, "|") != "whatsapp|"+channelName {
		t.Errorf("the ticket is %+v", seen)
	}
	a := seen.Articles[0]
	if a.Sender != "Customer" || a.Type != "web" || a.Internal || a.Body != "Hello" || a.ContentType != "text/plain" || a.MessageID != "wamid.1" ||
		a.From != "Nicole Braun (+491713920001)" || a.OriginByID != seen.CustomerID {
		t.Errorf("the article is %+v", a)
	}
	customers := w.Customers()
	if len(customers) != 1 || customers[0] != (zammadtest.Customer{
		ID: seen.CustomerID, Login: "491713920001", Firstname: "Nicole", Lastname: "Braun", Mobile: "+491713920001",
	}) {
		t.Errorf("the customers are %+v", customers)
	}
}

func TestAuthorsAreShownAsWhatTheyAre(t *testing.T) {
	w := newWorld(t)
	id := w.open()
	for _, one := range []struct {
		a       conversation.Article
		sender  string
		subject string
		inside  bool
	}{
		{conversation.Article{ID: "a", Author: conversation.AuthorChannel, Purpose: conversation.Welcome, Text: "Hi"}, "System", "Welcome message", false},
		{conversation.Article{ID: "b", Author: conversation.AuthorChannel, Purpose: conversation.Reminder, Text: "Hi"}, "System", "Reminder", false},
		{conversation.Article{ID: "c", Author: conversation.AuthorChannel, Purpose: conversation.Goodbye, Text: "Hi"}, "System", "Goodbye message", false},
		{conversation.Article{ID: "d", Author: conversation.AuthorNote, Text: "The window is closed."}, "System", "", true},
		{conversation.Article{ID: "e", Author: conversation.AuthorAgent, Text: "Hello"}, "Agent", "", false},
	} {
		must(t, w.add(id, one.a))
		if a := last(w.seen(id)); a.Sender != one.sender || a.Subject != one.subject || a.Internal != one.inside || a.Type != "note" || a.MessageID != one.a.ID {
			t.Errorf("article %s is %+v", one.a.ID, a)
		}
	}
}

func TestCustomersAreFoundAgain(t *testing.T) {
	bsuid := conversation.Customer{UserID: "DE.4711", Name: "Nicole Braun"}
	both := conversation.Customer{UserID: "DE.4711", Phone: "491713920001", PhoneShown: true, Name: "Nicole Braun"}
	for _, one := range []struct {
		name   string
		known  []zammadtest.Customer
		writes conversation.Customer
		want   int
	}{
		{"by mobile", []zammadtest.Customer{{Login: "nb@example.com", Mobile: "+491713920001"}}, nicole, 1},
		{"by mobile, written without the plus", []zammadtest.Customer{{Login: "nb@example.com", Mobile: "491713920001"}}, nicole, 1},
		{"by the login that Zammad's own channel gives", []zammadtest.Customer{{Login: "491713920001"}}, nicole, 1},
		{"by the user ID alone", []zammadtest.Customer{{Login: "whatsapp-de.4711"}}, bsuid, 1},
		{"by the user ID, although the number is new", []zammadtest.Customer{{Login: "whatsapp-de.4711"}}, both, 1},
		{"not by another's number", []zammadtest.Customer{{Login: "x", Mobile: "+4917139200011"}}, nicole, 2},
	} {
		t.Run(one.name, func(t *testing.T) {
			w := newWorld(t)
			for _, c := range one.known {
				w.AddCustomer(c)
			}
			_, err := w.desk.OpenTicket(t.Context(), ticketOf(one.writes, 1, message("wamid.1", "Hello")))
			must(t, err)
			if customers := w.Customers(); len(customers) != one.want {
				t.Errorf("the customers are %+v", customers)
			}
		})
	}
}

func TestACustomerIsNotDoubledWhileTheSearchIndexLags(t *testing.T) {
	w := newWorld(t)
	w.HoldIndex()
	w.open()
	other := ticketOf(nicole, 1, message("wamid.2", "Hello"))
	other.Conversation, other.Marker = "c2", "c2/1"
	_, err := w.desk.OpenTicket(t.Context(), other)
	must(t, err)
	if customers := w.Customers(); len(customers) != 1 {
		t.Errorf("the customers are %+v", customers)
	}
}

func TestACustomerWhoShowsANumberLaterIsNotDoubled(t *testing.T) {
	w := newWorld(t)
	w.HoldIndex()
	hidden := conversation.Customer{UserID: "DE.4711", Username: "nicole"}
	_, err := w.desk.OpenTicket(t.Context(), ticketOf(hidden, 1, message("wamid.1", "Hello")))
	must(t, err)
	hidden.Phone, hidden.PhoneShown = "491713920001", true
	_, err = w.desk.OpenTicket(t.Context(), ticketOf(hidden, 2, message("wamid.2", "Hello")))
	must(t, err)
	if c := w.Customers(); len(c) != 1 || c[0].Mobile != "+491713920001" || c[0].Lastname != "@nicole" {
		t.Errorf("the customers are %+v", c)
	}
}

func TestProfileNamesAreTakenApart(t *testing.T) {
	for name, want := range map[string]string{
		"Nicole Braun": "Nicole|Braun", "Nicole": "Nicole|", "Ludwig van Beethoven": "Ludwig|van Beethoven",
		"Maria  del Mar Ruiz": "Maria del Mar|Ruiz", "Braun, Nicole": "Nicole|Braun", "": "|", "Anna von der Leyen": "Anna|von der Leyen",
		"van Gogh": "van|Gogh",
	} {
		if first, last := zammad.SplitName(name); first+"|"+last != want {
			t.Errorf("%q: %s|%s, want %s", name, first, last, want)
		}
	}
}

func TestACustomersMessageOpensATicketAgain(t *testing.T) {
	for state, want := range map[string]string{"pending reminder": "open", "pending close": "open", "closed": "open", "new": "new", "open": "open"} {
		w := newWorld(t)
		id := w.open()
		w.Agent(w.agent).Sets(number(id), state)
		must(t, w.add(id, message("wamid.2", "More")))
		if seen := w.seen(id); seen.State != want || last(seen).Body != "More" {
			t.Errorf("%s: now %s, %+v", state, seen.State, last(seen))
		}
	}
	w := newWorld(t)
	id := w.open()
	w.Agent(w.agent).Closes(number(id))
	must(t, w.add(id, conversation.Article{ID: "n", Author: conversation.AuthorNote, Text: "Note"}))
	must(t, w.desk.SetState(t.Context(), id, conversation.TicketIsOpen))
	if seen := w.seen(id); seen.State != "closed" {
		t.Errorf("a note opened the ticket: %s", seen.State)
	}
}

func TestArticlesFollowMerges(t *testing.T) {
	w := newWorld(t)
	id := w.open()
	agent := w.Agent(w.agent)
	second := agent.Opens(w.group, w.AddCustomer(zammadtest.Customer{Login: "x"}), "Another")
	third := agent.Opens(w.group, w.AddCustomer(zammadtest.Customer{Login: "y"}), "And another")
	agent.Merges(number(id), second)
	agent.Merges(second, third)
	must(t, w.add(id, message("wamid.2", "More")))
	if seen, _ := w.Ticket(third); last(seen).Body != "More" {
		t.Errorf("the last ticket has %+v", seen.Articles)
	}
	if found, err := w.desk.FindArticle(t.Context(), id, "wamid.1"); !found || err != nil {
		t.Errorf("the first article was not found where it went: %v", err)
	}
}

func TestWhatErrorsMean(t *testing.T) {
	w := newWorld(t)
	id := w.open()
	appended := func() error { return w.add(id, message("wamid.2", "More")) }
	for _, one := range []struct {
		name   string
		f      zammadtest.Failure
		means  helpdesk.Meaning
		reason string
	}{
		{"a lost answer", zammadtest.Failure{CloseConnection: true, AfterEffect: true}, helpdesk.InDoubt, helpdesk.ReasonUnreachable},
		{"a failing server", zammadtest.Failure{Status: 502}, helpdesk.InDoubt, helpdesk.ReasonUnreachable},
		{"too many calls", zammadtest.Failure{Status: 429}, helpdesk.NotDone, helpdesk.ReasonThrottled},
		{"a refusal", zammadtest.Failure{Status: 422, Text: "Something is wrong"}, helpdesk.Refused, helpdesk.ReasonRejected},
		{"no such page", zammadtest.Failure{Status: 404}, helpdesk.Stop, helpdesk.ReasonNotUnderstood},
	} {
		one.f.Endpoint, one.f.Times = zammadtest.PutTicket, 1
		w.Fail(one.f)
		means(t, one.name, appended(), one.means, one.reason)
	}
	undo := w.Fail(zammadtest.Failure{Endpoint: zammadtest.GetTicket, CloseConnection: true})
	means(t, "a read that broke", appended(), helpdesk.NotDone, helpdesk.ReasonUnreachable)
	undo()

	w.Agent(w.agent).Deletes(number(id))
	means(t, "a deleted ticket", appended(), helpdesk.Gone, helpdesk.ReasonTicketGone)
	w.RemoveGroup(w.group)
	_, err := w.desk.OpenTicket(t.Context(), ticketOf(nicole, 2, message("wamid.3", "Hello")))
	means(t, "the group was removed", err, helpdesk.Stop, helpdesk.ReasonGroupNotFound)
	w.RevokeToken(w.token)
	means(t, "a revoked token", appended(), helpdesk.StopUntilChanged, helpdesk.ReasonTokenRefused)
	if strings.Contains(err.Error(), nicole.Phone) {
		t.Errorf("the error tells the number: %v", err)
	}
}

func TestWhatIsInDoubtIsLookedForInTheDatabase(t *testing.T) {
	w := newWorld(t)
	w.HoldIndex()
	w.Fail(zammadtest.Failure{Endpoint: zammadtest.PostTickets, Times: 1, CloseConnection: true, AfterEffect: true})
	_, err := w.desk.OpenTicket(t.Context(), ticketOf(nicole, 1, message("wamid.1", "Hello")))
	means(t, "a lost answer", err, helpdesk.InDoubt, helpdesk.ReasonUnreachable)
	// After a crash it is another process that looks.
	w.connect(nil)
	id, found, err := w.desk.FindTicket(t.Context(), "c1/1")
	if !found || err != nil || w.seen(id).Title == "" {
		t.Fatalf("not found: %v", err)
	}
	if _, found, err := w.desk.FindTicket(t.Context(), "c1/2"); found || err != nil {
		t.Errorf("found a ticket that nobody opened: %v", err)
	}
	w.Fail(zammadtest.Failure{Endpoint: zammadtest.PutTicket, Times: 1, CloseConnection: true})
	means(t, "a lost call", w.add(id, message("wamid.2", "More")), helpdesk.InDoubt, helpdesk.ReasonUnreachable)
	if found, err := w.desk.FindArticle(t.Context(), id, "wamid.2"); found || err != nil {
		t.Errorf("found an article that was not written: %v %v", found, err)
	}
	if w.desk.Settles() <= 0 {
		t.Error("Zammad may carry a call out after the connection has gone")
	}
	must(t, w.add(id, message("wamid.2", "More")))
	if found, err := w.desk.FindArticle(t.Context(), id, "wamid.2"); !found || err != nil {
		t.Errorf("written, and not found: %v %v", found, err)
	}
}

func TestDeliveriesAreShownAndFailuresTold(t *testing.T) {
	w := newWorld(t)
	id := w.open()
	delivery := func(state conversation.Delivery, reason string) {
		must(t, w.desk.SetDelivery(t.Context(), id, helpdesk.Delivery{AgentArticle: "17", SetDelivery: conversation.SetDelivery{
			ArticleID: "c1/reply/1", Delivery: state, Reason: reason, At: w.clock.Now(),
		}}))
	}
	delivery(conversation.Read, "")
	shown, _ := w.seen(id).Preferences["whatsapp_delivery"].(map[string]any)
	if got, _ := shown["17"].(map[string]any); got["state"] != "read" {
		t.Errorf("the ticket's preferences are %v", w.seen(id).Preferences)
	}
	if len(w.seen(id).Articles) != 1 {
		t.Error("a message that arrived was worth an article")
	}
	for range 2 {
		delivery(conversation.NotSent, "The customer service window closed on 1 May 2026.")
	}
	seen := w.seen(id)
	note := last(seen)
	if len(seen.Articles) != 2 || !note.Internal || !strings.Contains(note.Body, "article number 17 was not sent. The customer service window closed") {
		t.Errorf("the ticket has %+v", seen.Articles)
	}
	if seen.Preferences["whatsapp_operator"] == nil {
		t.Error("the ticket's own mark is lost")
	}
}
