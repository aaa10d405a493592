package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// timed is a bench whose clock is turned, with a channel that reminds after 20 hours.
type timed struct {
	*bench
	clock   *clocktest.Fake
	channel config.Channel
}

func newTimed(t *testing.T) *timed {
	t.Helper()
	b := &timed{bench: newBench(t), clock: clocktest.New(start), channel: config.Channel{
		PhoneNumber: &config.PhoneNumber{ID: "1"},
		Messages:    config.Messages{Reminder: &config.Reminder{Text: "Please reply.", AfterMinutes: 1200}},
	}}
	b.restart()
	return b
}

// restart is the start of another process on the same store.
func (b *timed) restart() {
	b.processor = engine.NewProcessor(engine.Processor{
		Store: b.store, Clock: b.clock, Log: slog.New(slog.DiscardHandler), Processed: func() {},
		Channel: func() config.Channel { return b.channel },
	})
}

// wake does what is due and returns after how much time from the start the next is.
func (b *timed) wake() time.Duration {
	b.t.Helper()
	next, err := b.processor.WakeConversations(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if next.IsZero() {
		return 0
	}
	return next.Sub(start)
}

// reminders counts the reminders that were wanted of the conversation of w1, in all windows.
func (b *timed) reminders() (n int) {
	b.t.Helper()
	id := b.conversationOf("w1").ID
	b.view(func(tx *store.Tx) error {
		for _, sent := range []time.Duration{0, 30 * time.Minute, 10 * time.Hour, 21 * time.Hour} {
			key := fmt.Sprintf("%s/1/reminder/%d/send/1", id, start.Add(sent).Unix())
			if _, found, err := tx.EffectByKey(key); err != nil {
				return err
			} else if found {
				n++
			}
		}
		return nil
	})
	return n
}

func (b *timed) write(wamid string, at time.Duration) {
	b.t.Helper()
	b.process(messages(fmt.Sprintf(`{"id":%q,"timestamp":"%d","type":"text","text":{"body":"x"},"from":"1555"}`, wamid, start.Add(at).Unix())))
}

func TestAReminderIsSentInTime(t *testing.T) {
	b := newTimed(t)
	b.write("w1", 0)
	if next := b.wake(); next != 20*time.Hour || b.reminders() != 0 {
		t.Fatalf("the next is due after %v, reminders %d", next, b.reminders())
	}
	b.clock.Advance(20 * time.Hour)
	if next := b.wake(); next != 22*time.Hour || b.reminders() != 1 {
		t.Errorf("the next is due after %v, reminders %d", next, b.reminders())
	}
	b.restart()
	b.clock.Advance(2 * time.Hour)
	if next := b.wake(); next != 24*time.Hour || !b.conversationOf("w1").Clock.EndAnnounced {
		t.Errorf("the next is due after %v, announced %v", next, b.conversationOf("w1").Clock.EndAnnounced)
	}
	b.restart()
	b.clock.Advance(2 * time.Hour)
	if next := b.wake(); next != 0 || b.reminders() != 1 {
		t.Errorf("the next is due after %v, reminders %d", next, b.reminders())
	}
	if s := b.conversationOf("w1"); !s.Clock.EndTold {
		t.Error("nobody is told that the window is over")
	}
}

func TestAClockThatIsSetSendsNothingEarlyOrTwice(t *testing.T) {
	b := newTimed(t)
	b.write("w1", 0)
	b.clock.Advance(21 * time.Hour)
	b.wake()
	b.clock.Advance(-10 * time.Hour)
	for range 15 {
		b.wake()
		b.clock.Advance(time.Hour)
	}
	if n := b.reminders(); n != 1 {
		t.Errorf("%d reminders", n)
	}

	b = newTimed(t)
	b.clock.Advance(-5 * time.Hour)
	b.write("w1", -5*time.Hour)
	b.clock.Advance(5 * time.Hour)
	if next := b.wake(); next != 15*time.Hour || b.reminders() != 0 {
		t.Errorf("the next is due after %v, reminders %d", next, b.reminders())
	}
}

// What waits in the inbox is taken up before anybody is reminded, because it may be what the reminder would ask for.
func TestWebhooksThatWaitedComeBeforeReminders(t *testing.T) {
	b := newTimed(t)
	b.write("w1", 0)
	b.clock.Advance(21 * time.Hour)
	if err := b.store.Append(t.Context(), store.Webhook{ReceivedAt: start, Body: []byte(messages(
		fmt.Sprintf(`{"id":"w2","timestamp":"%d","type":"text","text":{"body":"x"},"from":"1555"}`, start.Add(10*time.Hour).Unix()),
	))}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.processor.Run(ctx) }()
	b.clock.AwaitTimers(1)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := b.reminders(); n != 0 {
		t.Errorf("%d reminders, though the customer wrote since", n)
	}
}

func TestRunWakesInTimeThoughTheClockWasSet(t *testing.T) {
	b := newTimed(t)
	b.write("w1", 0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.processor.Run(ctx) }()
	b.clock.AwaitTimers(1)
	// The timer that waits is not the reminder's: the processor looks at the clock every minute.
	b.clock.Advance(20 * time.Hour)
	b.clock.AwaitTimers(1)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := b.reminders(); n != 1 {
		t.Errorf("%d reminders", n)
	}
}

// sleeps notes how long a processor wants to sleep.
type sleeps struct {
	*clocktest.Fake
	longest time.Duration
}

func (s *sleeps) TimerAt(at time.Duration) clock.Timer {
	s.longest = max(s.longest, at-s.Elapsed())
	return s.Fake.TimerAt(at)
}

// A timer of the system does not notice that the clock was set, so the processor looks at the clock now and then.
func TestNoSleepIsLong(t *testing.T) {
	b := newTimed(t)
	b.write("w1", 0)
	s := &sleeps{Fake: b.clock}
	b.processor.Clock = s
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.processor.Run(ctx) }()
	b.clock.AwaitTimers(1)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if s.longest <= 0 || s.longest > time.Minute {
		t.Errorf("the processor sleeps %v", s.longest)
	}
}

func TestADeclaredReminderThatChangesTakesEffect(t *testing.T) {
	b := newTimed(t)
	b.channel.Messages.Reminder = nil
	b.write("w1", 0)
	if next := b.wake(); next != 22*time.Hour {
		t.Fatalf("the next is due after %v", next)
	}
	b.channel.Messages.Reminder = &config.Reminder{Text: "Please reply.", AfterMinutes: 60}
	if next := b.wake(); next != time.Hour {
		t.Errorf("a new reminder is due after %v", next)
	}
	b.channel.Messages.Reminder.AfterMinutes = 120
	b.restart()
	if next := b.wake(); next != 2*time.Hour {
		t.Errorf("a reminder that changed while the process was down is due after %v", next)
	}
	b.channel.Messages.Reminder = nil
	if next := b.wake(); next != 22*time.Hour {
		t.Errorf("without a reminder the next is due after %v", next)
	}
}

func TestWhileDeliveryIsHeldNobodyIsReminded(t *testing.T) {
	b := newTimed(t)
	b.channel.Delivery = config.Held
	b.write("w1", 0)
	b.clock.Advance(21 * time.Hour)
	if next := b.wake(); next != 0 || b.reminders() != 0 {
		t.Fatalf("the next is due after %v, reminders %d", next, b.reminders())
	}
	t.Run("but afterwards, with time left to answer", func(t *testing.T) {
		b.channel.Delivery = ""
		b.wake()
		if n := b.reminders(); n != 1 {
			t.Errorf("%d reminders", n)
		}
	})
	t.Run("and never after the window, which the ticket says", func(t *testing.T) {
		b := newTimed(t)
		b.channel.Delivery = config.Held
		b.write("w1", 0)
		b.clock.Advance(30 * time.Hour)
		b.wake()
		b.channel.Delivery = ""
		b.wake()
		if s := b.conversationOf("w1"); b.reminders() != 0 || !s.Clock.ReminderMissed || !s.Clock.EndTold {
			t.Errorf("reminders %d, clock %+v", b.reminders(), s.Clock)
		}
	})
}

func TestAConversationThatCannotBeWokenCostsNoOther(t *testing.T) {
	b := newTimed(t)
	b.write("w1", 0)
	b.process(messages(text("other", `"from":"1666"`)))
	b.spoil(b.conversationOf("other").ID)
	b.clock.Advance(20 * time.Hour)
	b.wake()
	if n := b.reminders(); n != 1 {
		t.Errorf("%d reminders", n)
	}
	b.view(func(tx *store.Tx) error {
		due, err := tx.DueWakes(b.clock.Now(), 10)
		if len(due) != 0 {
			t.Errorf("still due: %d", len(due))
		}
		return err
	})
}

// Identities meet in any order, and none of what follows leads astray.
func TestIdentitiesFollowChanges(t *testing.T) {
	system := func(wamid string, at int, rest string) string {
		return fmt.Sprintf(`{"id":%q,"timestamp":"%d","type":"system",%s}`, wamid, start.Unix()+int64(at), rest)
	}
	from := func(wamid string, at int, rest string) string {
		return fmt.Sprintf(`{"id":%q,"timestamp":"%d","type":"text","text":{"body":"x"},%s}`, wamid, start.Unix()+int64(at), rest)
	}
	for name, tc := range map[string]struct {
		messages []string
		same     [][]string
		apart    []string
	}{
		"a new number with a new user ID": {
			messages: []string{from("w1", -9, `"from":"1555","from_user_id":"US.1"`), system("s", -8, `"from":"1555","system":{"type":"user_changed_number","wa_id":"1666"}`), from("w2", -7, `"from":"1666","from_user_id":"US.2"`), from("w3", -6, `"from_user_id":"US.2"`)},
			same:     [][]string{{"w1", "s", "w2", "w3"}},
		},
		"a new number that somebody else had": {
			messages: []string{from("old", -20, `"from":"1666"`), from("w1", -9, `"from":"1555"`), system("s", -8, `"from":"1555","system":{"type":"user_changed_number","wa_id":"1666"}`), from("w2", -7, `"from":"1666"`)},
			same:     [][]string{{"w1", "s", "w2"}}, apart: []string{"old", "w1"},
		},
		"news of a number that comes late": {
			messages: []string{from("w1", -9, `"from":"1555"`), from("w2", -7, `"from":"1666"`), system("s", -8, `"from":"1555","system":{"type":"user_changed_number","wa_id":"1666"}`), from("w3", -6, `"from":"1666"`)},
			same:     [][]string{{"w1", "s"}, {"w2", "w3"}},
		},
		"a new user ID, told by the old one": {
			messages: []string{from("w1", -9, `"from_user_id":"US.1"`), system("s", -8, `"from_user_id":"US.1","system":{"type":"user_changed_user_id","user_id":"US.2","previous_user_id":"US.1"}`), from("w2", -7, `"from_user_id":"US.2"`)},
			same:     [][]string{{"w1", "s", "w2"}},
		},
		"a user ID and a number that meet later": {
			messages: []string{from("p", -9, `"from":"1555"`), from("u", -8, `"from_user_id":"US.1"`), from("both", -7, `"from":"1555","from_user_id":"US.1"`), from("p2", -6, `"from":"1555"`)},
			same:     [][]string{{"u", "both", "p2"}},
		},
		"an identity that was confirmed": {
			messages: []string{from("w1", -9, `"from":"1555","from_user_id":"US.1"`), system("s", -8, `"from":"1555","from_user_id":"US.1","system":{"type":"customer_identity_changed"}`), from("w2", -7, `"from":"1555","from_user_id":"US.1"`)},
			same:     [][]string{{"w1", "s", "w2"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for _, m := range tc.messages {
				b.process(messages(m))
			}
			for _, group := range tc.same {
				var ids []string
				for _, wamid := range group {
					ids = append(ids, b.conversationOf(wamid).ID)
				}
				if len(slices.Compact(ids)) != 1 {
					t.Errorf("%v are in %d conversations", group, len(slices.Compact(ids)))
				}
			}
			if len(tc.apart) == 2 && b.conversationOf(tc.apart[0]).ID == b.conversationOf(tc.apart[1]).ID {
				t.Errorf("%v are in one conversation", tc.apart)
			}
		})
	}
}

// Replying on a ticket of an earlier identity must not lead the customer's next message there.
func TestIdentitiesAreLedByCustomersAlone(t *testing.T) {
	b := newBench(t)
	b.process(
		messages(text("p", `"from":"1555"`)), messages(text("u", `"from_user_id":"US.1"`)), messages(text("both", `"from":"1555","from_user_id":"US.1"`)),
	)
	if err := b.store.Update(t.Context(), func(tx *store.Tx) error {
		m, _, err := tx.Message("p")
		if err != nil {
			return err
		}
		return engine.Apply(tx, m.Conversation, conversation.ReplyWritten{ID: "r", Epoch: 1, Text: "x"}, start)
	}); err != nil {
		t.Fatal(err)
	}
	b.process(messages(text("p2", `"from":"1555"`)))
	if diff := cmp.Diff(b.conversationOf("both").ID, b.conversationOf("p2").ID); diff != "" {
		t.Errorf("the customer's number leads elsewhere:\n%s", diff)
	}
}
