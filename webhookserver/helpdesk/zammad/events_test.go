package zammad_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

// live is a world with everything set up and at work, and a ticket.
func live(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t)
	if health := w.desk.Check(t.Context()); !health.Ready {
		t.Fatalf("not ready: %+v", health)
	}
	w.run()
	id := w.open()
	return w, id
}

func TestRepliesComeBackInOrderAndOnce(t *testing.T) {
	w, id := live(t)
	agent := w.Agent(w.agent)
	agent.Replies(number(id), "One")
	agent.Writes(number(id), zammadtest.Note{Body: "<p><b>Two</b> &amp; more</p>"})
	agent.Writes(number(id), zammadtest.Note{Body: "Three", Plain: true, Type: "web"})
	w.await("reply on "+id+": One", "reply on "+id+": *Two* & more", "reply on "+id+": Three")
	agent.Closes(number(id))
	w.await("reply on "+id+": One", "reply on "+id+": *Two* & more", "reply on "+id+": Three", id+" is closed")
}

func TestWhatIsNoReply(t *testing.T) {
	w, id := live(t)
	agent := w.Agent(w.agent)
	agent.Notes(number(id), "Internal")
	agent.Writes(number(id), zammadtest.Note{Body: "An email", Plain: true, Type: "email"})
	agent.Writes(number(id), zammadtest.Note{Body: "We talked", Plain: true, Type: "phone"})
	must(t, w.add(id, message("wamid.2", "More")))
	for _, author := range []conversation.Author{conversation.AuthorChannel, conversation.AuthorNote, conversation.AuthorAgent} {
		must(t, w.add(id, conversation.Article{ID: string(author), Author: author, Text: "Ours"}))
	}
	agent.Replies(number(id), "A reply")
	w.await("reply on " + id + ": A reply")
}

// The webhook about our own article comes before the answer to the call that wrote it, and the token's user is an agent.
func TestNothingOfOursEverComesBack(t *testing.T) {
	w, id := live(t)
	w.Fail(zammadtest.Failure{Endpoint: zammadtest.PutTicket, Times: 1, CloseConnection: true, AfterEffect: true, Then: func() {
		must(t, w.Settle(t.Context()))
		w.Agent(w.agent).Replies(number(id), "A reply")
		w.await("reply on " + id + ": A reply")
	}})
	err := w.add(id, conversation.Article{ID: "c1/reply/1", Author: conversation.AuthorAgent, Text: "Ours"})
	means(t, "a lost answer", err, helpdesk.InDoubt, helpdesk.ReasonUnreachable)
	w.Agent(w.agent).Closes(number(id))
	w.await("reply on "+id+": A reply", id+" is closed")
}

func TestAReplyIsTakenBeforeTheAnswerThatNamesItsTicket(t *testing.T) {
	w := newWorld(t)
	w.desk.Check(t.Context())
	w.run()
	w.Fail(zammadtest.Failure{Endpoint: zammadtest.PostTickets, Times: 1, CloseConnection: true, AfterEffect: true, Then: func() {
		w.Agent(w.agent).Replies(1, "Quick")
		w.await("reply on 1: Quick")
	}})
	if _, err := w.desk.OpenTicket(t.Context(), ticketOf(nicole, 1, message("wamid.1", "Hello"))); err == nil {
		t.Error("the answer was not lost")
	}
}

func TestFilesOfRepliesComeFromTheConfiguredZammadAlone(t *testing.T) {
	w, id := live(t)
	w.receiver.refuses = "application/x-msdownload"
	w.Agent(w.agent).Writes(number(id), zammadtest.Note{
		Body: `See <img src="https://evil.example/api/v1/ticket_attachment/1/2/1?view=inline">`,
		Files: []zammadtest.File{
			{Name: "a.png", MIMEType: "image/png", Content: []byte("picture")},
			{Name: "b.exe", MIMEType: "application/x-msdownload", Content: []byte("program")},
		},
	})
	w.await("reply on " + id + ": See +a.png(picture) -b.exe")
}

func TestStatesComeBack(t *testing.T) {
	w, id := live(t)
	agent := w.Agent(w.agent)
	agent.SetsPending(number(id))
	w.await(id + " is pending")
	agent.Closes(number(id))
	w.await(id+" is pending", id+" is closed")
	agent.Reopens(number(id))
	w.await(id+" is pending", id+" is closed", id+" is open")
}

func TestADeletedTicketIsToldByTheNextSweep(t *testing.T) {
	w, id := live(t)
	w.Agent(w.agent).Deletes(number(id))
	for range 6 {
		w.clock.AwaitTimers(1)
		w.clock.Advance(2 * time.Minute)
	}
	w.await(id + " is gone")
}

// call calls the doorbell and returns the status.
func (w *world) ring(body, signature, delivery string) int {
	request := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("X-Hub-Signature", signature)
	request.Header.Set("X-Zammad-Delivery", delivery)
	recorder := httptest.NewRecorder()
	w.desk.Doorbell().ServeHTTP(recorder, request)
	return recorder.Code
}

// Anybody may call, so a body is read only where a signature makes it worth that, and it can be refused to be read.
func TestBodiesOfCallsThatAreNotRead(t *testing.T) {
	w := newWorld(t)
	signature := zammadtest.Sign([]byte("{}"), hookSecret)
	cutOff, slow := iotest.ErrReader(io.ErrUnexpectedEOF), iotest.ErrReader(os.ErrDeadlineExceeded)
	busy, tooLarge := iotest.ErrReader(errors.New("too much is being received")), iotest.ErrReader(&http.MaxBytesError{Limit: 1})
	for name, tc := range map[string]struct {
		signature string
		body      io.Reader
		status    int
	}{
		"no signature":            {"", busy, http.StatusUnauthorized},
		"one of another kind":     {"sha256=" + strings.TrimPrefix(signature, "sha1="), busy, http.StatusUnauthorized},
		"one that is too short":   {"sha1=00", busy, http.StatusUnauthorized},
		"too much at once":        {signature, busy, http.StatusServiceUnavailable},
		"a body that is cut off":  {signature, cutOff, http.StatusBadRequest},
		"a body that is late":     {signature, slow, http.StatusBadRequest},
		"a body that is too long": {signature, tooLarge, http.StatusRequestEntityTooLarge},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", tc.body)
		request.Header.Set("X-Hub-Signature", tc.signature)
		recorder := httptest.NewRecorder()
		w.desk.Doorbell().ServeHTTP(recorder, request)
		if again := recorder.Header().Get("Retry-After") != ""; recorder.Code != tc.status || again != (tc.status == http.StatusServiceUnavailable) {
			t.Errorf("%s: status %d, %v", name, recorder.Code, recorder.Header())
		}
	}
}

func TestADoorbellIsNoMoreThanThat(t *testing.T) {
	w, id := live(t)
	forged := `{"ticket":{"id":` + id + `,"state":"closed"},"article":{"id":99,"sender":"Agent","internal":false,"body":"Forged"}}`
	for name, signature := range map[string]string{
		"none": "", "wrong": zammadtest.Sign([]byte(forged), "wrong"), "of another body": zammadtest.Sign([]byte("{}"), hookSecret),
		"not hexadecimal": "sha1=xyz", "too short": "sha1=00", "of another kind": strings.Replace(zammadtest.Sign([]byte(forged), hookSecret), "sha1", "sha256", 1),
	} {
		if status := w.ring(forged, signature, "d"); status != http.StatusUnauthorized {
			t.Errorf("signature %s: status %d", name, status)
		}
	}
	reads := func() int { return w.Count(zammadtest.GetArticlesOf) }
	w.clock.AwaitTimers(1)
	before := reads()
	sign := func(body string) string { return zammadtest.Sign([]byte(body), hookSecret) }
	if status := w.ring(forged, sign(forged), "d1"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	for reads() == before {
		w.Settle(t.Context())
	}
	foreign := w.Agent(w.agent).Opens(w.group, w.AddCustomer(zammadtest.Customer{Login: "x"}), "Foreign")
	w.Agent(w.agent).Replies(foreign, "Not for WhatsApp")
	elsewhere := `{"ticket":{"id":2}}`
	if status := w.ring(elsewhere, sign(elsewhere), "d2"); status != http.StatusOK {
		t.Errorf("a foreign ticket: status %d", status)
	}
	for _, body := range []string{"", "[]", `{"ticket":{"id":"x"}}`} {
		if status := w.ring(body, sign(body), "d3"); status != http.StatusOK {
			t.Errorf("%q: status %d", body, status)
		}
	}
	w.Agent(w.agent).Replies(number(id), "Real")
	w.await("reply on " + id + ": Real")
}

func TestARepeatedDeliveryIsNotReadAgain(t *testing.T) {
	w := newWorld(t)
	body := `{"ticket":{"id":` + w.open() + `}}`
	for _, one := range []struct {
		delivery string
		waiting  int
	}{{"d1", 1}, {"d1", 0}, {"d2", 1}, {"", 1}, {"", 1}} {
		if status := w.ring(body, zammadtest.Sign([]byte(body), hookSecret), one.delivery); status != http.StatusOK {
			t.Errorf("delivery %q: status %d", one.delivery, status)
		}
		if waiting := zammad.ReadWaiting(t.Context(), w.desk); waiting != one.waiting {
			t.Errorf("delivery %q: %d tickets were read, want %d", one.delivery, waiting, one.waiting)
		}
	}
}

func TestASignedCallProvesThatSomebodySetItUp(t *testing.T) {
	w := newWorld(t)
	w.connect(func(o *zammad.Options) { o.Token = w.IssueToken(w.bot, "ticket.agent") })
	if health := w.desk.Check(t.Context()); health.Reason != helpdesk.ReasonEventsNotSetUp {
		t.Fatalf("found %+v", health)
	}
	w.ring("{}", zammadtest.Sign([]byte("{}"), hookSecret), "d")
	if health := w.desk.Check(t.Context()); !health.Ready {
		t.Errorf("found %+v", health)
	}
}

func TestMerges(t *testing.T) {
	t.Run("into a ticket of somebody else, whose articles are not sent", func(t *testing.T) {
		w, id := live(t)
		agent := w.Agent(w.agent)
		other := agent.Opens(w.group, w.AddCustomer(zammadtest.Customer{Login: "x"}), "Foreign")
		agent.Replies(other, "Not for this customer")
		w.clock.Advance(time.Second)
		agent.Merges(number(id), other)
		w.await(id + " was merged into 2")
		w.clock.Advance(time.Second)
		agent.Replies(other, "For this customer")
		w.sweepNow()
		w.await(id+" was merged into 2", "reply on 2: For this customer")
	})
	t.Run("of a ticket of somebody else into ours", func(t *testing.T) {
		w, id := live(t)
		agent := w.Agent(w.agent)
		other := agent.Opens(w.group, w.AddCustomer(zammadtest.Customer{Login: "x"}), "Foreign")
		agent.Replies(other, "Not for this customer")
		agent.Merges(other, number(id))
		agent.Replies(number(id), "For this customer")
		w.await("reply on " + id + ": For this customer")
	})
	t.Run("right after a reply that nobody read", func(t *testing.T) {
		w := newWorld(t)
		id := w.open()
		agent := w.Agent(w.agent)
		other := agent.Opens(w.group, w.AddCustomer(zammadtest.Customer{Login: "x"}), "Foreign")
		agent.Replies(number(id), "Just before")
		agent.Merges(number(id), other)
		w.run()
		w.await(id+" was merged into 2", "reply on "+id+": Just before")
	})
}

// sweepNow lets the time of the next sweeps come.
func (w *world) sweepNow() {
	for range 6 {
		w.clock.AwaitTimers(1)
		w.clock.Advance(2 * time.Minute)
	}
}

func TestTheSweepFindsWhatNoDoorbellTold(t *testing.T) {
	for name, change := range map[string]func(*zammad.Options){
		"when Zammad gave up":  nil,
		"when it calls nobody": func(o *zammad.Options) { o.EventsURL = "" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.connect(change)
			w.run()
			id := w.open()
			w.Agent(w.agent).Replies(number(id), "One")
			w.Agent(w.agent).Replies(number(id), "Two")
			w.sweepNow()
			w.await("reply on "+id+": One", "reply on "+id+": Two")
		})
	}
}

func TestTheSweepGoesOnAfterHoursWithoutZammad(t *testing.T) {
	w := newWorld(t)
	id := w.open()
	w.Agent(w.agent).Replies(number(id), "One")
	w.GoDown()
	w.run()
	for range 30 {
		w.clock.AwaitTimers(1)
		w.clock.Advance(10 * time.Minute)
	}
	w.Heal()
	w.sweepNow()
	w.await("reply on " + id + ": One")
}

// timeRequests has the helpdesk's requests timed by a clock of their own.
func (w *world) timeRequests() *clocktest.Fake {
	c := clocktest.New(w.clock.Now())
	zammad.TimeRequests(w.desk, c)
	return c
}

func TestWhatGetsNoAnswerIsGivenUpAndAskedAgain(t *testing.T) {
	for name, endpoint := range map[string]zammadtest.Endpoint{
		"what is new":                   zammadtest.GetTicketsSearch,
		"a ticket, for when it changed": zammadtest.GetTicket,
		"the articles of a ticket":      zammadtest.GetArticlesOf,
		"a file of an article":          zammadtest.GetAttachment,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.connect(func(o *zammad.Options) { o.EventsURL = "" })
			requests := w.timeRequests()
			id := w.open()
			w.Agent(w.agent).Writes(number(id), zammadtest.Note{
				Body: "One", Plain: true, Files: []zammadtest.File{{Name: "a.png", MIMEType: "image/png", Content: []byte("picture")}},
			})
			hangs := make(chan struct{})
			w.Fail(zammadtest.Failure{Endpoint: endpoint, Times: 1, Hang: true, Then: func() { close(hangs) }})
			w.run()
			<-hangs
			requests.Advance(30 * time.Second)
			// It is read again after a pause, at the next sweep, or at the end of this one.
			w.awaitTurning("reply on " + id + ": One +a.png(picture)")
		})
	}
}

func TestACallersShorterDeadlineWins(t *testing.T) {
	w := newWorld(t)
	w.timeRequests()
	w.Fail(zammadtest.Failure{Endpoint: zammadtest.GetTicketStates, Times: 1, Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := w.desk.SetState(ctx, "1", conversation.TicketIsClosed)
	means(t, "a call without an answer", err, helpdesk.NotDone, helpdesk.ReasonUnreachable)
}

// manyAtOnce opens more than two pages of tickets in one second, on which no conversation goes on any more: only a sweep of
// what changed looks at them.
func (w *world) manyAtOnce() (ids []string) {
	w.t.Helper()
	zammad.SweepPages(w.desk, 10)
	for n := range 25 {
		request := ticketOf(nicole, 1, message(fmt.Sprintf("wamid.%d", n), "Hello"))
		request.Marker = conversation.TicketMarker("c1", n)
		id, err := w.desk.OpenTicket(w.t.Context(), request)
		must(w.t, err)
		w.receiver.know(id)
		w.receiver.known[id] = helpdesk.Known{Conversation: "c1", Epoch: n}
		ids = append(ids, id)
	}
	return ids
}

func TestTheSweepGetsPastManyTicketsThatChangedAtOnce(t *testing.T) {
	for name, nth := range map[string]int{"one of the second page": 15, "the last": 24} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.connect(func(o *zammad.Options) { o.EventsURL = "" })
			ids := w.manyAtOnce()
			first, one := ids[0], ids[nth]
			agent := w.Agent(w.agent)
			agent.Replies(number(one), "At once")
			w.run()
			w.await("reply on " + one + ": At once")
			w.clock.Advance(time.Second)
			agent.Replies(number(first), "Later")
			w.clock.AwaitTimers(1)
			w.clock.Advance(10 * time.Second)
			w.await("reply on "+one+": At once", "reply on "+first+": Later")
		})
	}
}

func TestATicketThatChangesDuringASweepHidesNoOther(t *testing.T) {
	// The first answer is a page from the beginning on, the second one the same page, from its second on.
	for name, during := range map[string]int32{"while its page is looked at": 1, "before the next page of its second": 2} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.connect(func(o *zammad.Options) { o.EventsURL = "" })
			ids := w.manyAtOnce()
			agent := w.Agent(w.agent)
			next := ids[10]
			agent.Replies(number(next), "On the next page")
			var answers atomic.Int32
			w.Fail(zammadtest.Failure{Endpoint: zammadtest.GetTicketsSearch, AfterEffect: true, Then: func() {
				if answers.Add(1) == during {
					w.clock.Advance(5 * time.Minute)
					agent.Notes(number(ids[0]), "Later")
				}
			}})
			w.run()
			w.await("reply on " + next + ": On the next page")
		})
	}
}

func TestWhileNothingChangesNoTicketIsReadOverAndOver(t *testing.T) {
	w := newWorld(t)
	w.connect(func(o *zammad.Options) { o.EventsURL = "" })
	id := w.open()
	w.run()
	sweep := func() (looks int) {
		w.clock.AwaitTimers(1)
		before := w.Count(zammadtest.GetTicket)
		w.clock.Advance(10 * time.Second)
		w.clock.AwaitTimers(1)
		return w.Count(zammadtest.GetTicket) - before
	}
	if sweep() == 0 {
		t.Error("what changed a moment ago is not looked at again, although more may have been in the making")
	}
	for range 7 {
		sweep()
	}
	if looks := sweep(); looks != 0 {
		t.Errorf("%d tickets were looked at, a minute after the last change", looks)
	}
	w.Agent(w.agent).Replies(number(id), "One")
	sweep()
	w.await("reply on " + id + ": One")
}

func TestTheFirstSweepOfAProcessLooksAtAllEvenWhenItIsNotItsTurn(t *testing.T) {
	w := newWorld(t)
	id := w.open()
	w.Agent(w.agent).Deletes(number(id))
	w.receiver.notes["sweep-after"] = w.clock.Now().Add(time.Minute).Format(time.RFC3339Nano)
	w.run()
	w.clock.AwaitTimers(1)
	w.clock.Advance(2 * time.Minute)
	w.await(id + " is gone")
}
