package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// makes waits until so many calls were made to WhatsApp, and the outbox waits for its clock.
func (b *bench) makes(calls int) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("%d calls", calls), func() bool { return len(b.graph.made()) >= calls })
	more := false
	b.eventually("no call is being made", func() bool {
		var counts store.Counts
		if err := b.store.View(context.Background(), func(tx *store.Tx) (err error) { counts, err = tx.Counts(); return err }); err != nil {
			b.t.Fatal(err)
		}
		more = counts.Effects[store.EffectReady] > 0
		return counts.Effects[store.EffectInFlight] == 0
	})
	if more {
		// What is left waits for the clock.
		b.clock.AwaitTimers(1)
	}
	if made := b.graph.made(); len(made) != calls {
		b.t.Fatalf("%d calls were made, want %d", len(made), calls)
	}
}

func TestACustomerIsWrittenToNoFasterThanWhatsAppTakes(t *testing.T) {
	b := newBench(t)
	for i := range 48 {
		b.reply(fmt.Sprint(i))
	}
	b.run()
	b.makes(45)
	// Another customer does not wait with this one.
	b.customer("other")
	b.replyTo("other", "o")
	b.outbox.Wake()
	b.makes(46)
	b.clock.Advance(6*time.Second - 2*time.Millisecond)
	b.makes(46)
	for i, pause := range []time.Duration{4 * time.Millisecond, 6 * time.Second, 6 * time.Second} {
		b.clock.Advance(pause)
		b.makes(47 + i)
	}
	b.becomes("47/send/1", store.EffectDone)
	if e := b.effect("47/send/1"); e.Attempts != 1 {
		t.Errorf("waiting was counted as %d attempts", e.Attempts-1)
	}
}

func TestANumberSendsNoFasterThanWhatsAppTakes(t *testing.T) {
	for name, tc := range map[string]struct{ throughput, atOnce, inATenth int }{"standard": {0, 8, 8}, "high": {1000, 100, 100}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.throughput = tc.throughput
			for i := range tc.atOnce + tc.inATenth + 1 {
				b.customer(fmt.Sprint(i))
				b.replyTo(fmt.Sprint(i), fmt.Sprintf("r%d", i))
			}
			b.run()
			b.makes(tc.atOnce)
			b.clock.Advance(50 * time.Millisecond)
			b.makes(tc.atOnce + tc.inATenth/2)
			b.clock.Advance(50 * time.Millisecond)
			b.makes(tc.atOnce + tc.inATenth)
			b.clock.Advance(time.Second)
			b.makes(tc.atOnce + tc.inATenth + 1)
		})
	}
}

func TestAThroughputThatGrewCountsAtOnce(t *testing.T) {
	b := newBench(t)
	b.throughput = 0
	for i := range 50 {
		b.customer(fmt.Sprint(i))
		b.replyTo(fmt.Sprint(i), fmt.Sprintf("r%d", i))
	}
	b.run()
	b.makes(8)
	b.throughput = 1000
	b.clock.Advance(20 * time.Millisecond)
	b.makes(50)
}

func TestANumberThatIsTooFastRestsAsAWhole(t *testing.T) {
	b := newBench(t)
	tooFast := 3
	b.graph.answer = func(int, store.Effect) error {
		if tooFast--; tooFast >= 0 {
			return fail(outbox.NumberTooFast)
		}
		return nil
	}
	b.reply("r")
	b.run()
	b.makes(1)
	b.customer("other")
	b.replyTo("other", "o")
	b.outbox.Wake()
	b.makes(1)
	b.clock.Advance(time.Second)
	b.makes(3)
	b.clock.Advance(4 * time.Second)
	b.becomes("r/send/1", store.EffectDone)
	b.becomes("o/send/1", store.EffectDone)
	if e := b.effect("r/send/1"); e.Attempts != 1 {
		t.Errorf("resting was counted as %d attempts", e.Attempts-1)
	}
	if reason := b.outbox.StoppedReason(conversation.Graph); reason != "" {
		t.Errorf("sending is said to be broken: %s", reason)
	}
}

func TestOfSeveralRestsThatAreAskedForTheLongestCounts(t *testing.T) {
	b := newBench(t)
	b.graph.answer = func(n int, _ store.Effect) error {
		switch n {
		case 1:
			return failure{outbox.Verdict{Means: outbox.NumberTooFast, After: time.Minute}}
		case 2:
			return fail(outbox.NumberTooFast)
		}
		return nil
	}
	b.customer("other")
	b.reply("r")
	b.replyTo("other", "o")
	b.run()
	b.makes(2)
	b.clock.Advance(59 * time.Second)
	b.outbox.Wake()
	b.makes(2)
	b.clock.Advance(time.Second)
	b.becomes("r/send/1", store.EffectDone)
	b.becomes("o/send/1", store.EffectDone)
}

func TestOnlyACustomerWhoIsWrittenTooFastWaits(t *testing.T) {
	b := newBench(t)
	b.graph.answer = func(_ int, e store.Effect) error {
		if e.Conversation == "c" && e.Attempts <= 3 {
			return fail(outbox.CustomerTooFast)
		}
		return nil
	}
	b.customer("other")
	b.reply("r")
	b.replyTo("other", "o")
	b.run()
	b.becomes("o/send/1", store.EffectDone)
	for attempt, pause := range []time.Duration{4 * time.Second, 16 * time.Second, 64 * time.Second} {
		b.eventually("a pause", func() bool {
			e := b.effect("r/send/1")
			return e.State == store.EffectReady && e.Attempts == attempt+1
		})
		if got := b.effect("r/send/1").NextAt.Sub(b.clock.Now()); got != pause {
			t.Errorf("the pause after attempt %d is %v, want %v", attempt+1, got, pause)
		}
		b.clock.Advance(pause)
		b.outbox.Wake()
	}
	b.becomes("r/send/1", store.EffectDone)
}

// Two replicas together send no faster than one, and when the one that sends is gone, the other takes over.
func TestReplicasTogetherKeepTheNumbersLimit(t *testing.T) {
	const messages = 60
	server := postgrestest.Start(t, postgrestest.Options{})
	turned := clocktest.New(start)
	phone := &caller{}
	var keys []string
	var running [2]func()
	for i := range running {
		s, err := store.OpenPostgres(t.Context(), store.PostgresOptions{
			Schema: "channel", DSN: func() (string, error) { return server.DSN(), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		if i == 0 {
			if err := s.Update(t.Context(), func(tx *store.Tx) error {
				for n := range messages {
					id := fmt.Sprintf("c%02d", n)
					keys = append(keys, id+"r/send/1")
					state := conversation.State{ID: id, Epoch: 1, Open: true, LastMessageAt: start, Customer: conversation.Customer{Phone: "1555"}}
					if err := tx.SaveConversation(state, start); err != nil {
						return err
					}
					if err := engine.Apply(tx, id, conversation.ReplyWritten{ID: id + "r", Epoch: 1, Text: "text"}, start); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		o := outbox.New(outbox.Options{
			Store: s, Clock: turned, Log: slog.New(slog.DiscardHandler),
			Callers: map[conversation.Destination]outbox.Caller{conversation.Graph: phone},
		})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- o.Run(ctx) }()
		running[i] = func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	stop := func(i int) {
		if running[i] != nil {
			running[i]()
			running[i] = nil
		}
	}
	defer stop(0)
	defer stop(1)
	reached := func(n int) {
		t.Helper()
		gomega.NewWithT(t).Eventually(func() int {
			if len(phone.made()) < n {
				turned.Advance(10 * time.Millisecond)
			}
			return len(phone.made())
		}).WithTimeout(time.Minute).WithPolling(5 * time.Millisecond).Should(gomega.BeNumerically(">=", n))
	}
	// While the clock stands still, both have tried when both wait for it.
	gomega.NewWithT(t).Eventually(func() int { return len(phone.made()) }).WithTimeout(time.Minute).Should(gomega.BeNumerically(">=", 8))
	turned.AwaitTimers(2)
	if made := len(phone.made()); made != 8 {
		t.Errorf("%d messages went at once", made)
	}
	reached(messages / 2)
	stop(0)
	turned.Advance(10 * time.Second)
	reached(messages)

	made := phone.made()
	slices.Sort(made)
	if diff := cmp.Diff(keys, made); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
