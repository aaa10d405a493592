package webhookserver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

var errKilled = errors.New("the process was killed")

// mortal is a real store whose process dies at one of its commits: just before or just after it.
type mortal struct {
	store.Store
	commits    atomic.Int64
	dieAt      int64
	after      bool
	dead       atomic.Bool
	deadSignal chan struct{}
	once       sync.Once
}

func (m *mortal) commit(do func() error) error {
	if m.dead.Load() {
		return errKilled
	}
	if m.commits.Add(1) != m.dieAt {
		return do()
	}
	if m.after {
		_ = do()
	}
	m.die()
	return errKilled
}

func (m *mortal) die() {
	m.dead.Store(true)
	m.once.Do(func() { close(m.deadSignal) })
}

func (m *mortal) Append(ctx context.Context, w store.Webhook) error {
	return m.commit(func() error { return m.Store.Append(ctx, w) })
}

func (m *mortal) Update(ctx context.Context, fn func(*store.Tx) error) error {
	return m.commit(func() error { return m.Store.Update(ctx, fn) })
}

func (m *mortal) Failed() <-chan struct{} { return m.deadSignal }

func (m *mortal) Err() error {
	if m.dead.Load() {
		return errKilled
	}
	return nil
}

// phone is WhatsApp, counting what customers get. Its statuses are withheld, which leaves the most in doubt.
type phone struct {
	mu       sync.Mutex
	received map[string]int
}

func (p *phone) Call(_ context.Context, e store.Effect, _ conversation.State) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.received[e.SendText.Text]++
	return fmt.Sprintf("sent %s %d", e.Key, p.received[e.SendText.Text]), nil
}

func (*phone) Find(context.Context, store.Effect) (string, bool, error) { return "", false, nil }
func (*phone) Judge(error) outbox.Verdict                               { return outbox.Verdict{Means: outbox.InDoubt} }

// life is one run of the process, from a start to its end or death.
type life struct {
	store *mortal
	clock *clocktest.Fake
	inbox *inbox.Inbox
	out   *outbox.Outbox
	proc  *engine.Processor
	wait  func()
}

// helpdeskCaller calls the helpdesk that is always the same.
func helpdeskCaller(desk helpdesk.Helpdesk, s store.Store, c clock.Clock) *outbox.HelpdeskCaller {
	return &outbox.HelpdeskCaller{
		Helpdesk: func() helpdesk.Helpdesk { return desk }, Store: s, Clock: c,
		Settings: func() conversation.Settings { return conversation.Settings{} },
	}
}

func live(t *testing.T, dir string, clock *clocktest.Fake, phone *phone, dieAt int64, after bool) *life {
	t.Helper()
	opened, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{Store: opened, dieAt: dieAt, after: after, deadSignal: make(chan struct{})}
	l := &life{store: m, clock: clock, inbox: &inbox.Inbox{Store: m, Clock: clock}}
	log := slog.New(slog.DiscardHandler)
	l.out = outbox.New(outbox.Options{
		Store: m, Clock: clock, Log: log, Jitter: func() float64 { return 0 },
		Callers: map[conversation.Destination]outbox.Caller{
			conversation.Graph:    phone,
			conversation.Helpdesk: helpdeskCaller(l.inbox, m, clock),
		},
	})
	l.proc = engine.NewProcessor(engine.Processor{
		Store: m, Clock: clock, Log: log, Processed: l.out.Wake,
		Channel: func() config.Channel {
			return config.Channel{PhoneNumber: &config.PhoneNumber{ID: "1"}, Messages: config.Messages{Welcome: "welcome"}}
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = l.proc.Run(ctx) })
	running.Go(func() { _ = l.out.Run(ctx) })
	l.wait = func() {
		cancel()
		running.Wait()
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// settle turns the clock until nothing is left to do, or the process is dead.
func (l *life) settle(t *testing.T) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func() bool { return l.store.dead.Load() || l.rests(t) }).
		WithTimeout(patience).WithPolling(time.Millisecond).Should(gomega.BeTrue(), "the receiver comes to rest")
}

// rests tells whether nothing is left to do. If something is to be done later, it makes it later.
func (l *life) rests(t *testing.T) bool {
	t.Helper()
	var counts store.Counts
	var next time.Time
	if err := l.store.View(context.Background(), func(tx *store.Tx) (err error) {
		if counts, err = tx.Counts(); err == nil {
			next, err = tx.NextDue(conversation.Graph, conversation.Helpdesk, conversation.Media)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	active := counts.Effects[store.EffectReady] + counts.Effects[store.EffectInFlight] + counts.Effects[store.EffectInDoubt] + counts.Effects[store.EffectBlocked]
	if counts.Backlog == 0 && active == 0 {
		return true
	}
	if wait := next.Sub(l.clock.Now()); counts.Effects[store.EffectInFlight] == 0 && !next.IsZero() && wait > 0 {
		l.clock.Advance(wait)
	}
	l.proc.Wake()
	l.out.Wake()
	return false
}

const crashWebhook = `{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"messages","value":{
	"metadata":{"phone_number_id":"1"},"messages":[
	{"from":"1555","id":"wamid.1","timestamp":"1793613600","type":"text","text":{"body":"one"}},
	{"from":"1555","id":"wamid.2","timestamp":"1793613601","type":"text","text":{"body":"two"}}]}}]}]}`

// story is what the outside does: Meta posts until it gets its 200, and the agent sends the reply until it is taken.
func (l *life) story(t *testing.T) {
	t.Helper()
	if err := l.store.Append(context.Background(), store.Webhook{ReceivedAt: l.clock.Now(), Body: []byte(crashWebhook)}); err != nil {
		return
	}
	l.proc.Wake()
	l.settle(t)
	if l.store.dead.Load() {
		return
	}
	if _, err := l.inbox.Reply(context.Background(), 1, "key", "reply"); err != nil {
		return
	}
	l.settle(t)
}

// The process is killed before and after each of its commits. Whatever the moment, the customer's messages make one
// ticket with each message once and in order, the welcome comes at most once, and the reply comes once, or twice with
// a note that says so.
func TestNothingIsLostOrDoubledWhereverTheProcessDies(t *testing.T) {
	for _, after := range []bool{false, true} {
		for dieAt := int64(1); ; dieAt++ {
			dir, phone := t.TempDir(), &phone{received: map[string]int{}}
			clock := clocktest.New(time.Unix(1793613610, 0))
			first := live(t, dir, clock, phone, dieAt, after)
			first.story(t)
			died := first.store.dead.Load()
			first.wait()
			second := live(t, dir, clock, phone, 0, false)
			second.story(t)
			second.check(t, fmt.Sprintf("killed at commit %d, after it: %v", dieAt, after), phone)
			second.wait()
			if t.Failed() {
				return
			}
			if !died {
				if dieAt < 15 {
					t.Errorf("the story has only %d commits; it does not test what it should", dieAt)
				}
				break
			}
		}
	}
}

func (l *life) check(t *testing.T, when string, phone *phone) {
	t.Helper()
	var texts []string
	if err := l.store.View(context.Background(), func(tx *store.Tx) error {
		tickets, err := tx.Tickets("", 1<<62, 10)
		if len(tickets) != 1 {
			t.Errorf("%s: %d tickets", when, len(tickets))
			return err
		}
		articles, err2 := tx.Articles(tickets[0].ID)
		for _, a := range articles {
			texts = append(texts, a.Text)
		}
		letters, err3 := tx.DeadLetters(0, 10)
		if len(letters) > 0 {
			t.Errorf("%s: %d dead letters", when, len(letters))
		}
		return errors.Join(err, err2, err3)
	}); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(texts, "|")
	once := "one|welcome|two|reply"
	twice := once + "|It is not known whether WhatsApp took this reply, so it was sent again: the customer may have received it twice."
	replies := phone.received["reply"]
	switch {
	case got != once && got != twice:
		t.Errorf("%s: the ticket says %q", when, got)
	case phone.received["welcome"] > 1:
		t.Errorf("%s: %d welcomes", when, phone.received["welcome"])
	case replies < 1 || replies > 2 || (replies == 2 && got != twice):
		t.Errorf("%s: %d replies, and the ticket says %q", when, replies, got)
	}
}
