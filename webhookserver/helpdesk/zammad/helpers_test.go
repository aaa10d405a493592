package zammad_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

const (
	channelName = "whatsapp-operator cluster-1 helpdesk/support"
	hookSecret  = "secret-of-the-webhook"
)

// world is a simulated Zammad, a receiver that writes down what it is told, and the helpdesk between them.
type world struct {
	*zammadtest.Server
	t        *testing.T
	clock    *clocktest.Fake
	group    int
	agent    int
	bot      int
	token    string
	receiver *receiver
	desk     *zammad.Helpdesk
	bell     *httptest.Server
}

// newWorld is a world whose token belongs to an agent, as many will.
func newWorld(t *testing.T, options ...zammadtest.Option) *world {
	t.Helper()
	w := &world{t: t, clock: clocktest.New(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)), receiver: newFakeReceiver()}
	w.Server = zammadtest.NewServer(append([]zammadtest.Option{zammadtest.WithClock(w.clock)}, options...)...)
	t.Cleanup(w.Close)
	w.group = w.AddGroup("2nd Level")
	w.agent = w.AddAgent("Emma", "Taylor", w.group)
	w.bot = w.AddAgent("WhatsApp", "Bot", w.group)
	w.MakeAdmin(w.bot)
	w.token = w.IssueToken(w.bot, "ticket.agent", "admin.webhook", "admin.trigger")
	w.bell = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.desk.Doorbell().ServeHTTP(rw, r) }))
	t.Cleanup(w.bell.Close)
	w.connect(nil)
	return w
}

// connect makes the helpdesk anew, as a start of the receiver does.
func (w *world) connect(change func(*zammad.Options)) {
	o := zammad.Options{
		URL: w.URL, Token: w.token, Secret: hookSecret, Group: "2nd Level", Namespace: "helpdesk", Name: "support",
		Installation: "cluster-1", EventsURL: w.bell.URL, Identity: "zammad " + w.URL,
		Receiver: helpdesk.Receiver{
			Agents: w.receiver, Notes: w.receiver, Files: w.receiver, Clock: w.clock, Log: slog.New(slog.DiscardHandler),
		},
	}
	if change != nil {
		change(&o)
	}
	w.desk = zammad.New(o)
}

// run lets the helpdesk work in the background until the test ends.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.desk.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

var nicole = conversation.Customer{Phone: "491713920001", PhoneShown: true, Name: "Nicole Braun"}

func message(id, text string) conversation.Article {
	return conversation.Article{ID: id, Author: conversation.AuthorCustomer, Type: "text", Text: text}
}

func ticketOf(c conversation.Customer, epoch int, a conversation.Article) helpdesk.Ticket {
	return helpdesk.Ticket{
		Marker: conversation.TicketMarker("c1", epoch), Conversation: "c1", Epoch: epoch,
		OpenTicket: conversation.OpenTicket{Group: "2nd Level", Customer: c, Article: a},
	}
}

// open opens a ticket of the conversation c1 that the receiver knows.
func (w *world) open() string {
	w.t.Helper()
	id, err := w.desk.OpenTicket(w.t.Context(), ticketOf(nicole, 1, message("wamid.1", "Hello")))
	must(w.t, err)
	w.receiver.know(id)
	return id
}

func (w *world) add(ticket string, a conversation.Article) error {
	return w.desk.AddArticle(w.t.Context(), ticket, helpdesk.Article{Article: a, Conversation: "c1", Customer: nicole})
}

func (w *world) seen(id string) zammadtest.Ticket {
	w.t.Helper()
	seen, found := w.Ticket(number(id))
	if !found {
		w.t.Fatalf("there is no ticket %s", id)
	}
	return seen
}

func number(id string) int {
	n, _ := strconv.Atoi(id)
	return n
}

func last(t zammadtest.Ticket) zammadtest.Article { return t.Articles[len(t.Articles)-1] }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// means checks what an error means.
func means(t *testing.T, what string, err error, want helpdesk.Meaning, reason string) {
	t.Helper()
	known := (*helpdesk.Error)(nil)
	if !errors.As(err, &known) || known.Means != want || known.Reason != reason || known.Message == "" {
		t.Errorf("%s: %#v, want meaning %d with reason %s", what, err, want, reason)
	}
}

// receiver is what a helpdesk may use, in memory. What it is told it writes down, a line for each.
type receiver struct {
	mu      sync.Mutex
	known   map[string]helpdesk.Known
	taken   map[string]bool
	merged  map[string]string
	states  map[string]conversation.TicketState
	told    []string
	notes   map[string]string
	files   map[string]string
	refuses string
	// full lets no file be kept.
	full    bool
	changed chan struct{}
}

func newFakeReceiver() *receiver {
	return &receiver{
		known: map[string]helpdesk.Known{}, taken: map[string]bool{}, merged: map[string]string{}, states: map[string]conversation.TicketState{},
		notes: map[string]string{}, files: map[string]string{}, changed: make(chan struct{}),
	}
}

func (r *receiver) know(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[id] = helpdesk.Known{Conversation: "c1", Epoch: 1, Open: true}
	r.states[id] = conversation.TicketIsOpen
}

// tell writes a line down; r.mu is held.
func (r *receiver) tell(format string, arguments ...any) {
	r.told = append(r.told, fmt.Sprintf(format, arguments...))
	close(r.changed)
	r.changed = make(chan struct{})
}

// ours finds a ticket by its ID or its marker; r.mu is held.
func (r *receiver) ours(t helpdesk.TicketRef) bool {
	if _, known := r.known[t.ID]; !known && strings.HasPrefix(t.Marker, "c1/") {
		r.known[t.ID] = helpdesk.Known{Conversation: "c1", Epoch: 1, Open: true}
		r.states[t.ID] = conversation.TicketIsOpen
	}
	_, known := r.known[t.ID]
	return known
}

func (r *receiver) Replied(_ context.Context, reply helpdesk.Reply) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ours(reply.Ticket) || r.taken[reply.Article] {
		return r.ours(reply.Ticket), nil
	}
	r.taken[reply.Article] = true
	var line strings.Builder
	line.WriteString("reply on " + reply.Ticket.ID + ": " + reply.Text)
	for _, f := range reply.Files {
		line.WriteString(" +" + f.Name + "(" + r.files[f.ID] + ")")
	}
	for _, f := range reply.Refused {
		line.WriteString(" -" + f.Name)
	}
	r.tell("%s", line.String())
	return true, nil
}

func (r *receiver) InState(_ context.Context, t helpdesk.TicketRef, state conversation.TicketState) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ours(t) && r.states[t.ID] != state {
		r.states[t.ID] = state
		r.tell("%s is %s", t.ID, state)
	}
	return r.ours(t), nil
}

func (r *receiver) Merged(_ context.Context, t helpdesk.TicketRef, into string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ours(t) || r.merged[t.ID] == into {
		return r.ours(t), nil
	}
	r.merged[t.ID] = into
	if _, known := r.known[into]; !known {
		r.known[into], r.states[into] = r.known[t.ID], conversation.TicketIsOpen
	}
	r.tell("%s was merged into %s", t.ID, into)
	return true, nil
}

func (r *receiver) Gone(_ context.Context, t helpdesk.TicketRef) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.known[t.ID]; !known {
		return false, nil
	}
	delete(r.known, t.ID)
	r.tell("%s is gone", t.ID)
	return true, nil
}

func (r *receiver) Tickets(_ context.Context, ids []string) (map[string]helpdesk.Known, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]helpdesk.Known{}
	for _, id := range ids {
		if known, ours := r.known[id]; ours {
			found[id] = known
		}
	}
	return found, nil
}

func (r *receiver) OpenTickets(_ context.Context, after string, limit int) (ids []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, known := range r.known {
		if known.Open && id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(limit, len(ids))], nil
}

func (r *receiver) Taken(_ context.Context, articles []string) (map[string]bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := map[string]bool{}
	for _, id := range articles {
		if r.taken[id] {
			taken[id] = true
		}
	}
	return taken, nil
}

func (r *receiver) Note(_ context.Context, name string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notes[name], nil
}

func (r *receiver) SetNote(_ context.Context, name, value string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes[name] = value
	return nil
}

func (r *receiver) SwapNote(_ context.Context, name, expected, value string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.notes[name] != expected {
		return false, nil
	}
	r.notes[name] = value
	return true, nil
}

func (r *receiver) Open(_ context.Context, id string) (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	content, kept := r.files[id]
	if !kept {
		return nil, helpdesk.ErrNoFile
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

func (r *receiver) Keep(_ context.Context, source, name, mimeType string, content io.Reader) (conversation.File, error) {
	read, err := io.ReadAll(content)
	if err != nil {
		return conversation.File{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full {
		return conversation.File{}, errors.New("the volume is full")
	}
	if mimeType == r.refuses {
		return conversation.File{}, &helpdesk.RefusedError{Reason: "WhatsApp does not take it."}
	}
	r.files[source] = string(read)
	return conversation.File{ID: source, Name: name, MIMEType: mimeType, Size: int64(len(read))}, nil
}

// awaitTurning turns the clock on, second by second, until the receiver was told exactly these lines.
func (w *world) awaitTurning(lines ...string) {
	w.t.Helper()
	gomega.NewWithT(w.t).Eventually(func() []string {
		w.clock.Advance(time.Second)
		w.receiver.mu.Lock()
		defer w.receiver.mu.Unlock()
		return slices.Clone(w.receiver.told)
	}).WithTimeout(time.Minute).WithPolling(5 * time.Millisecond).Should(gomega.Equal(lines))
}

// await waits until the receiver was told exactly these lines.
func (w *world) await(lines ...string) {
	w.t.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for {
		w.receiver.mu.Lock()
		told, changed := slices.Clone(w.receiver.told), w.receiver.changed
		w.receiver.mu.Unlock()
		if slices.Equal(told, lines) {
			return
		}
		if len(told) > len(lines) {
			w.t.Fatalf("told %q, want %q", told, lines)
		}
		select {
		case <-changed:
		case <-patience.C:
			w.t.Fatalf("told %q, want %q", told, lines)
		}
	}
}
