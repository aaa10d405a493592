package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

var start = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

// caller is a destination that a test plays.
type caller struct {
	mu    sync.Mutex
	calls []string
	// answer decides each call, and judge each error.
	answer func(n int, e store.Effect) error
	found  bool
	// looks counts what was looked for, and looking, if set, decides each look.
	looks   int
	looking func(n int) error
}

// failure is an error with its meaning.
type failure struct{ outbox.Verdict }

func (failure) Error() string { return "failure" }

func fail(means outbox.Meaning) error {
	return failure{outbox.Verdict{Means: means, Reason: "the reason"}}
}

func (c *caller) Call(_ context.Context, e store.Effect, _ conversation.State) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, e.Key)
	if c.answer != nil {
		if err := c.answer(len(c.calls), e); err != nil {
			return "", err
		}
	}
	return "remote " + e.Key, nil
}

func (c *caller) Find(_ context.Context, e store.Effect) (string, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	if c.looking != nil {
		if err := c.looking(c.looks); err != nil {
			return "", false, err
		}
	}
	return "found " + e.Key, c.found, nil
}

func (c *caller) Judge(err error) outbox.Verdict {
	var f failure
	errors.As(err, &f)
	return f.Verdict
}

func (c *caller) looked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looks
}

func (c *caller) made() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.calls...)
}

// bench is an outbox on a real store, with a clock that the test turns.
type bench struct {
	t               *testing.T
	store           *store.SQLite
	clock           *clocktest.Fake
	graph, helpdesk caller
	outbox          *outbox.Outbox
	// instead, if set, is called instead of helpdesk.
	instead outbox.Caller
	// throughput is how many messages a second the number may send: as good as any number, unless a test is about it.
	throughput int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b := &bench{t: t, store: s, clock: clocktest.New(start), throughput: 10_000}
	b.customer("c")
	return b
}

// customer begins a conversation.
func (b *bench) customer(id string) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		return tx.SaveConversation(conversation.State{ID: id, Epoch: 1, Open: true, LastMessageAt: start, Customer: conversation.Customer{Phone: "1555"}}, start)
	})
}

// opensTicket has a ticket opened for a conversation.
func (b *bench) opensTicket(of, key string) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		return tx.AddEffects(of, []conversation.Effect{{Key: key, Kind: conversation.KindOpenTicket, OpenTicket: &conversation.OpenTicket{}}}, start)
	})
}

func (b *bench) run() {
	b.t.Helper()
	b.runOn(b.store)
}

func (b *bench) runOn(s store.Store) {
	b.t.Helper()
	helpdesk := b.instead
	if helpdesk == nil {
		helpdesk = &b.helpdesk
	}
	b.outbox = outbox.New(outbox.Options{
		Store: s, Clock: b.clock, Log: slog.New(slog.DiscardHandler),
		Callers:    map[conversation.Destination]outbox.Caller{conversation.Graph: &b.graph, conversation.Helpdesk: helpdesk},
		Throughput: func() int { return b.throughput },
		// The whole of the pause, so that its end can be told.
		Jitter: func() float64 { return 1 },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.outbox.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
}

func (b *bench) update(fn func(*store.Tx) error) {
	b.t.Helper()
	if err := b.store.Update(context.Background(), fn); err != nil {
		b.t.Fatal(err)
	}
}

// reply queues a reply of one part.
func (b *bench) reply(id string) {
	b.t.Helper()
	b.replyTo("c", id)
}

// replyTo does so in a conversation.
func (b *bench) replyTo(customer, id string) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		return engine.Apply(tx, customer, conversation.ReplyWritten{ID: id, Epoch: 1, Text: "text"}, b.clock.Now())
	})
}

// welcome queues a courtesy text.
func (b *bench) welcome() {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		return tx.AddEffects("c", []conversation.Effect{{
			Key: "welcome/send/1", Kind: conversation.KindSendText, Epoch: 1,
			SendText: &conversation.SendText{Part: conversation.Part{Outgoing: "welcome"}, Purpose: conversation.Welcome, Text: "text"},
		}}, b.clock.Now())
	})
}

// interrupted queues the opening of a ticket, of which it is not known whether it was carried out.
func (b *bench) interrupted() {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		if err := tx.AddEffects("c", []conversation.Effect{{Key: "ticket", Kind: conversation.KindOpenTicket}}, start); err != nil {
			return err
		}
		e, _, err := tx.EffectByKey("ticket")
		_, callErr := tx.BeginCall(e, start, start)
		return errors.Join(err, callErr) // And then the process dies.
	})
}

func (b *bench) effect(key string) (e store.Effect) {
	b.t.Helper()
	if err := b.store.View(context.Background(), func(tx *store.Tx) (err error) {
		var found bool
		if e, found, err = tx.EffectByKey(key); !found && err == nil {
			err = fmt.Errorf("there is no effect %s", key)
		}
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *bench) eventually(what string, condition func() bool) {
	b.t.Helper()
	gomega.NewWithT(b.t).Eventually(condition).WithTimeout(time.Minute).WithPolling(time.Millisecond).Should(gomega.BeTrue(), what)
}

func (b *bench) becomes(key string, state store.EffectState) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("%s becomes %d", key, state), func() bool { return b.effect(key).State == state })
}

// shown returns the reason that the ticket gives for the delivery of a reply.
func (b *bench) shown(reply string, d conversation.Delivery) string {
	b.t.Helper()
	return b.effect(reply + "/delivery/" + string(d)).SetDelivery.Reason
}

func TestCallsAreMadeInOrderAndOnce(t *testing.T) {
	b := newBench(t)
	var want []string
	for i := range 20 {
		b.reply(fmt.Sprint(i))
		want = append(want, fmt.Sprintf("%d/send/1", i))
	}
	b.run()
	b.becomes("19/send/1", store.EffectDone)
	if diff := cmp.Diff(want, b.graph.made()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if e := b.effect("0/send/1"); e.RemoteID != "remote 0/send/1" || e.Attempts != 1 {
		t.Errorf("the first: %+v", e)
	}
}

func TestAFailedCallIsMadeAgainLater(t *testing.T) {
	b := newBench(t)
	b.graph.answer = func(n int, _ store.Effect) error {
		if n <= 3 {
			return fail(outbox.TryAgain)
		}
		return nil
	}
	b.reply("r")
	b.reply("later")
	b.run()
	for i, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		b.eventually("a pause", func() bool { e := b.effect("r/send/1"); return e.State == store.EffectReady && e.Attempts == i+1 })
		if next := b.effect("r/send/1").NextAt.Sub(b.clock.Now()); next != pause {
			t.Errorf("the pause after attempt %d is %v, want %v", i+1, next, pause)
		}
		b.clock.Advance(pause - time.Millisecond)
		b.outbox.Wake()
		b.clock.Advance(time.Millisecond)
		b.outbox.Wake()
	}
	b.becomes("later/send/1", store.EffectDone)
	if diff := cmp.Diff([]string{"r/send/1", "r/send/1", "r/send/1", "r/send/1", "later/send/1"}, b.graph.made()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestADeadDestinationDoesNotHoldUpTheOther(t *testing.T) {
	b := newBench(t)
	b.helpdesk.answer = func(int, store.Effect) error { return fail(outbox.TryAgain) }
	b.opensTicket("c", "ticket")
	b.welcome()
	b.run()
	b.becomes("welcome/send/1", store.EffectDone)
	if b.effect("ticket").State == store.EffectDone {
		t.Error("the dead helpdesk answered")
	}
}

func TestARefusalIsToldAndTheNextGoes(t *testing.T) {
	b := newBench(t)
	b.graph.answer = func(n int, _ store.Effect) error {
		if n == 1 {
			return fail(outbox.Refused)
		}
		return nil
	}
	b.reply("r")
	b.reply("next")
	b.run()
	b.becomes("next/send/1", store.EffectDone)
	if e := b.effect("r/send/1"); e.State != store.EffectGivenUp {
		t.Errorf("the refused one is in state %d", e.State)
	}
	if got := b.shown("r", conversation.NotSent); got != "the reason" {
		t.Errorf("the ticket says %q", got)
	}
}

func TestADeadLetterWaitsForAPerson(t *testing.T) {
	b := newBench(t)
	dead := true
	b.graph.answer = func(int, store.Effect) error {
		if dead {
			return fail(outbox.Dead)
		}
		return nil
	}
	b.reply("r")
	b.run()
	b.becomes("r/send/1", store.EffectDead)
	dead = false
	b.update(func(tx *store.Tx) error {
		letters, err := tx.DeadLetters(0, 10)
		if len(letters) != 1 || letters[0].Error != "the reason" {
			t.Errorf("dead letters: %+v", letters)
		}
		_, replayErr := tx.Replay(letters[0].ID, b.clock.Now())
		return errors.Join(err, replayErr)
	})
	b.outbox.Wake()
	b.becomes("r/send/1", store.EffectDone)
}

func TestAReplyThatBecameTooLateIsNotSent(t *testing.T) {
	b := newBench(t)
	b.reply("r")
	b.clock.Advance(conversation.Window)
	b.run()
	b.becomes("r/send/1", store.EffectGivenUp)
	if len(b.graph.made()) != 0 {
		t.Error("WhatsApp was called")
	}
	if b.shown("r", conversation.NotSent) == "" {
		t.Error("the ticket does not say why")
	}
}

func TestAStoppedDestinationBurnsNoAttempts(t *testing.T) {
	for name, tc := range map[string]struct {
		means  outbox.Meaning
		mend   func(*bench)
		probes bool
	}{
		"until the configuration changes": {outbox.StopUntilChanged, func(b *bench) { b.outbox.ConfigurationChanged() }, false},
		"until a probe succeeds":          {outbox.Stop, func(b *bench) { b.clock.Advance(15 * time.Minute); b.outbox.Wake() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			mended := false
			b.graph.answer = func(int, store.Effect) error {
				if mended {
					return nil
				}
				return fail(tc.means)
			}
			b.reply("r")
			b.reply("next")
			b.run()
			b.eventually("the reason", func() bool { return b.outbox.StoppedReason(conversation.Graph) == "the reason" })
			b.eventually("the effect waits", func() bool { return b.effect("r/send/1").State == store.EffectReady })
			b.clock.Advance(14 * time.Minute)
			b.outbox.Wake()
			if !tc.probes {
				b.clock.Advance(4 * time.Hour)
				b.outbox.Wake()
			}
			if e := b.effect("r/send/1"); e.Attempts != 0 || len(b.graph.made()) != 1 {
				t.Errorf("%d attempts were counted, %d calls made", e.Attempts, len(b.graph.made()))
			}
			b.graph.mu.Lock()
			mended = true
			b.graph.mu.Unlock()
			tc.mend(b)
			b.becomes("next/send/1", store.EffectDone)
			b.eventually("no more reason", func() bool { return b.outbox.StoppedReason(conversation.Graph) == "" })
		})
	}
}

func TestDoubtAboutAReply(t *testing.T) {
	b := newBench(t)
	b.graph.answer = func(int, store.Effect) error { return fail(outbox.InDoubt) }
	b.reply("r")
	b.run()
	b.becomes("r/send/1", store.EffectInDoubt)
	b.clock.Advance(119 * time.Second)
	b.outbox.Wake()
	if made := b.graph.made(); len(made) != 1 {
		t.Fatalf("it was repeated before a status could come: %v", made)
	}
	b.clock.Advance(time.Second)
	b.eventually("it is repeated", func() bool { return len(b.graph.made()) == 2 })
	b.effect("r/send/1/repeated") // The note on the ticket.
	b.becomes("r/send/1", store.EffectInDoubt)
	b.clock.Advance(120 * time.Second)
	b.becomes("r/send/1", store.EffectDead)
	if made := b.graph.made(); len(made) != 2 {
		t.Errorf("it was repeated more than once: %v", made)
	}
	b.effect("r/delivery/uncertain")
}

func TestDoubtAboutACourtesyIsNeverRepeated(t *testing.T) {
	b := newBench(t)
	b.graph.answer = func(int, store.Effect) error { return fail(outbox.InDoubt) }
	b.welcome()
	b.run()
	b.becomes("welcome/send/1", store.EffectInDoubt)
	b.clock.Advance(120 * time.Second)
	b.becomes("welcome/send/1", store.EffectGivenUp)
	if made := b.graph.made(); len(made) != 1 {
		t.Errorf("calls: %v", made)
	}
}

func TestDoubtAboutAHelpdeskEndsWithAMarker(t *testing.T) {
	for _, found := range []bool{true, false} {
		t.Run(fmt.Sprintf("found %v", found), func(t *testing.T) {
			b := newBench(t)
			b.helpdesk.found = found
			b.interrupted()
			b.run()
			b.becomes("ticket", store.EffectDone)
			want := map[bool]struct {
				calls  int
				remote string
			}{true: {0, "found ticket"}, false: {1, "remote ticket"}}[found]
			if e := b.effect("ticket"); len(b.helpdesk.made()) != want.calls || e.RemoteID != want.remote {
				t.Errorf("%d calls, remote ID %q; want %+v", len(b.helpdesk.made()), e.RemoteID, want)
			}
		})
	}
}

func TestAHelpdeskThatCannotBeAskedIsAskedEverLessOften(t *testing.T) {
	b := newBench(t)
	b.helpdesk.found = true
	b.helpdesk.looking = func(n int) error {
		switch n {
		case 1, 2:
			return fail(outbox.InDoubt)
		case 3:
			return failure{outbox.Verdict{Means: outbox.TryAgain, After: 10 * time.Minute}}
		}
		return nil
	}
	b.interrupted()
	b.run()
	for n, pause := range []time.Duration{time.Second, 2 * time.Second, 10 * time.Minute} {
		b.eventually("it looked, and waits", func() bool {
			return b.effect("ticket").NextAt.Equal(b.clock.Now().Add(pause))
		})
		if b.helpdesk.looked() != n+1 {
			t.Fatalf("looked %d times, want %d", b.helpdesk.looked(), n+1)
		}
		b.clock.Advance(pause)
	}
	b.becomes("ticket", store.EffectDone)
	if e := b.effect("ticket"); len(b.helpdesk.made()) != 0 || e.Attempts != 4 {
		t.Errorf("%d calls, %d attempts", len(b.helpdesk.made()), e.Attempts)
	}
}

func TestALookThatCannotSucceedStopsTheDestination(t *testing.T) {
	b := newBench(t)
	b.helpdesk.looking = func(n int) error {
		if n == 1 {
			return fail(outbox.StopUntilChanged)
		}
		return nil
	}
	b.interrupted()
	b.run()
	b.eventually("the reason", func() bool { return b.outbox.StoppedReason(conversation.Helpdesk) == "the reason" })
	b.eventually("it waits", func() bool { return b.effect("ticket").NextAt.Equal(start) })
	b.clock.Advance(time.Hour)
	b.outbox.Wake()
	if b.helpdesk.looked() != 1 {
		t.Errorf("looked %d times", b.helpdesk.looked())
	}
	b.outbox.ConfigurationChanged()
	b.becomes("ticket", store.EffectDone)
	if e := b.effect("ticket"); e.Attempts != 2 {
		t.Errorf("%d attempts", e.Attempts)
	}
}

func TestAStatusEndsTheDoubtBeforeTheCallReturns(t *testing.T) {
	b := newBench(t)
	b.graph.answer = func(_ int, e store.Effect) error {
		// The status overtakes the answer, and then the answer is lost.
		b.update(func(tx *store.Tx) error { return tx.ConfirmEffect(e, "wamid", b.clock.Now()) })
		return fail(outbox.InDoubt)
	}
	b.reply("r")
	b.reply("next")
	b.run()
	b.becomes("next/send/1", store.EffectDone)
	if e := b.effect("r/send/1"); e.State != store.EffectDone || e.RemoteID != "wamid" {
		t.Errorf("the effect: %+v", e)
	}
	if made := b.graph.made(); len(made) != 2 {
		t.Errorf("calls: %v", made)
	}
}
