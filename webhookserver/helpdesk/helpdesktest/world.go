package helpdesktest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// patience bounds how long a test that fails waits.
const patience = time.Minute

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// world is a helpdesk, and a receiver with one conversation that it is used by.
type world struct {
	t     *testing.T
	store *store.SQLite
	clock *clocktest.Fake
	files *files
	desk  Desk
	// changed tells that an agent's doing had effects.
	changed chan struct{}
	calls   int
}

func newWorld(t *testing.T, open Open) *world {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), store.SQLiteOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{t: t, store: s, clock: clocktest.New(start), files: &files{kept: map[string][]byte{}}, changed: make(chan struct{}, 1)}
	agents := &engine.Agents{
		Store: s, Clock: w.clock, Settings: func() conversation.Settings { return conversation.Settings{} },
		Changed: func() {
			select {
			case w.changed <- struct{}{}:
			default:
			}
		},
	}
	notes := &engine.Notes{Store: s}
	w.desk = open(t, helpdesk.Receiver{Agents: agents, Notes: notes, Files: w.files, Clock: w.clock, Log: slog.New(slog.DiscardHandler)})
	agents.Helpdesk, notes.Helpdesk = w.desk.Identity(), w.desk.Identity()
	w.must(s.Update(t.Context(), func(tx *store.Tx) error {
		return tx.SaveConversation(conversation.State{ID: "c1", Epoch: 1, Open: true, LastMessageAt: start, Customer: erika}, start)
	}))
	if health := w.desk.Check(t.Context()); !health.Ready {
		t.Fatalf("the helpdesk is not ready: %+v", health)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.desk.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the helpdesk's background ended with: %v", err)
		}
	})
	return w
}

var erika = conversation.Customer{Phone: "491713920001", PhoneShown: true, Name: "Erika Mustermann"}

func customers(id, text string) conversation.Article {
	return conversation.Article{ID: id, Author: conversation.AuthorCustomer, Type: "text", Text: text, WrittenAt: start}
}

func opening(a conversation.Article) helpdesk.Ticket {
	return helpdesk.Ticket{
		Marker: "c1/1", Conversation: "c1", Epoch: 1,
		OpenTicket: conversation.OpenTicket{Group: "2nd Level", Customer: erika, Article: a},
	}
}

func adding(a conversation.Article) helpdesk.Article {
	if a.WrittenAt.IsZero() {
		a.WrittenAt = start
	}
	return helpdesk.Article{Article: a, Conversation: "c1", Customer: erika}
}

// call names a call that is none of those before.
func (w *world) call() context.Context {
	w.calls++
	return helpdesk.WithCallKey(w.t.Context(), fmt.Sprintf("call %d", w.calls))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// open opens the ticket of the conversation, which the receiver then knows.
func (w *world) open(a conversation.Article) string {
	w.t.Helper()
	id, err := w.desk.OpenTicket(w.call(), opening(a))
	w.must(err)
	w.link(id)
	return id
}

func (w *world) link(ticket string) {
	w.t.Helper()
	w.must(w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		return engine.Opened(tx, w.desk.Identity(), ticket, store.Effect{Conversation: "c1", Effect: conversation.Effect{Epoch: 1}})
	}))
}

func (w *world) add(ticket string, a conversation.Article) error {
	return w.desk.AddArticle(w.call(), ticket, adding(a))
}

func (w *world) agent() *Agent {
	if w.desk.Agent == nil {
		w.t.Skip("agents do not work in this helpdesk")
	}
	return w.desk.Agent
}

// replies lists what waits to be sent to the customer.
func (w *world) replies() (texts []string) {
	w.t.Helper()
	w.must(w.store.View(w.t.Context(), func(tx *store.Tx) error {
		texts = nil
		for id := int64(1); ; id++ {
			e, found, err := tx.Effect(id)
			if err != nil || !found {
				return err
			}
			if e.SendText != nil {
				texts = append(texts, e.SendText.Text)
			}
		}
	}))
	return texts
}

// await waits until exactly these texts wait to be sent.
func (w *world) await(want ...string) {
	w.t.Helper()
	w.until(func() bool {
		got := w.replies()
		if len(got) > len(want) {
			w.t.Fatalf("sent %q, want %q", got, want)
		}
		return slices.Equal(got, want)
	}, func() string { return fmt.Sprintf("sent %q, want %q", w.replies(), want) })
}

// awaitState waits until the conversation follows its ticket into a state.
func (w *world) awaitState(want conversation.TicketState) {
	w.t.Helper()
	var state conversation.State
	w.until(func() bool {
		w.must(w.store.View(w.t.Context(), func(tx *store.Tx) (err error) {
			state, _, err = tx.Conversation("c1")
			return err
		}))
		return state.Open == (want != conversation.TicketIsClosed) && state.Pending == (want == conversation.TicketIsPending)
	}, func() string { return fmt.Sprintf("the conversation is %+v, want %s", state, want) })
}

func (w *world) until(done func() bool, otherwise func() string) {
	w.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !done() {
		select {
		case <-w.changed:
		case <-limit.C:
			w.t.Fatal(otherwise())
		}
	}
}

// files are the files of articles, in memory.
type files struct {
	mu   sync.Mutex
	kept map[string][]byte
}

// Open implements helpdesk.Files.
func (f *files) Open(_ context.Context, id string) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, found := f.kept[id]
	if !found {
		return nil, helpdesk.ErrNoFile
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// Keep implements helpdesk.Files.
func (f *files) Keep(_ context.Context, source, name, mimeType string, content io.Reader) (conversation.File, error) {
	read, err := io.ReadAll(content)
	if err != nil {
		return conversation.File{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := conversation.FileID(source)
	f.kept[id] = read
	return conversation.File{ID: id, Kind: "image", Name: name, MIMEType: mimeType, Size: int64(len(read))}, nil
}

// keep keeps a file of a customer's message.
func (w *world) keep(name string) conversation.Attachment {
	w.t.Helper()
	file, err := w.files.Keep(w.t.Context(), name, name, "image/png", bytes.NewReader([]byte("\x89PNG of "+name)))
	w.must(err)
	return conversation.Attachment{File: file, State: conversation.AttachmentKept}
}
