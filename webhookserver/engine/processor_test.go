package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

var start = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

type bench struct {
	t         *testing.T
	dir       string
	store     *store.SQLite
	processor *engine.Processor
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	s, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &bench{t: t, dir: dir, store: s, processor: engine.NewProcessor(engine.Processor{
		Store: s, Clock: clocktest.New(start), Log: slog.New(slog.DiscardHandler), Processed: func() {},
		Channel: func() config.Channel { return config.Channel{PhoneNumber: &config.PhoneNumber{ID: "1"}} },
	})}
}

// spoil makes a conversation's state unreadable, past the store.
func (b *bench) spoil(id string) {
	b.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.dir, "receiver.db"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(b.t.Context(), `UPDATE conversation SET state = '{' WHERE id = ?`, id); err != nil {
		b.t.Fatal(err)
	}
}

// process stores webhooks and processes them all.
func (b *bench) process(bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		if err := b.store.Append(b.t.Context(), store.Webhook{ReceivedAt: start, Body: []byte(body)}); err != nil {
			b.t.Fatal(err)
		}
	}
	for more := true; more; {
		var err error
		if more, err = b.processor.Process(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) view(fn func(*store.Tx) error) {
	b.t.Helper()
	if err := b.store.View(context.Background(), fn); err != nil {
		b.t.Fatal(err)
	}
}

// conversationOf returns the conversation that a message was taken up in.
func (b *bench) conversationOf(wamid string) (s conversation.State) {
	b.t.Helper()
	b.view(func(tx *store.Tx) error {
		m, found, err := tx.Message(wamid)
		if err != nil || !found {
			return fmt.Errorf("message %s: found %v, %w", wamid, found, err)
		}
		s, _, err = tx.Conversation(m.Conversation)
		return err
	})
	return s
}

func (b *bench) quarantined() (reasons []string) {
	b.t.Helper()
	b.view(func(tx *store.Tx) error {
		list, err := tx.Quarantined(0, 1000)
		for _, q := range list {
			reasons = append(reasons, string(q.Reason))
		}
		return err
	})
	return reasons
}

func value(number, rest string) string {
	return `{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"` +
		number + `"},` + rest + `}}]}]}`
}

// text is a message; from holds its members that name the sender.
func text(wamid, from string) string {
	return `{"id":"` + wamid + `","timestamp":"1793613600","type":"text","text":{"body":"x"},` + from + `}`
}

func messages(list ...string) string { return value("1", `"messages":[`+strings.Join(list, ",")+`]`) }

func TestAWebhookIsTakenOnce(t *testing.T) {
	b := newBench(t)
	body := messages(text("w1", `"from":"1555"`), text("w2", `"from":"1555"`))
	b.process(body, body, body)
	s := b.conversationOf("w2")
	b.view(func(tx *store.Tx) error {
		c, err := tx.Counts()
		if c.Backlog != 0 || len(c.Quarantined) != 0 {
			t.Errorf("left: %+v", c)
		}
		if s.Epoch != 1 || c.Effects[store.EffectReady]+c.Effects[store.EffectBlocked] != 2 {
			t.Errorf("epoch %d, effects %v; want one ticket and one article", s.Epoch, c.Effects)
		}
		return err
	})
}

func TestIdentity(t *testing.T) {
	both, phone, user := `"from":"1555","from_user_id":"US.1"`, `"from":"1555"`, `"from_user_id":"US.1"`
	for name, tc := range map[string]struct {
		first, second string
		same          bool
	}{
		"the user ID is enough":                     {both, user, true},
		"the phone number is an alias":              {both, phone, true},
		"a user ID that comes later is the same's":  {phone, both, true},
		"and is found without the number then":      {phone, both, true},
		"a number that changed hands is another's":  {both, `"from":"1555","from_user_id":"US.2"`, false},
		"another number with the same ID is theirs": {both, `"from":"1666","from_user_id":"US.1"`, true},
		"different numbers are different customers": {phone, `"from":"1666"`, false},
		"a new user ID follows the old one":         {user, `"from_user_id":"US.9","system":{"type":"user_changed_user_id","user_id":"US.9","previous_user_id":"US.1"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.process(messages(text("w1", tc.first)), messages(text("w2", tc.second)))
			if same := b.conversationOf("w1").ID == b.conversationOf("w2").ID; same != tc.same {
				t.Errorf("the same conversation: %v", same)
			}
		})
	}
}

func TestAChangedNumberLeadsToTheSameConversation(t *testing.T) {
	b := newBench(t)
	b.process(
		messages(text("w1", `"from":"1555"`)),
		messages(`{"id":"w2","timestamp":"1793613601","type":"system","from":"1555","system":{"type":"user_changed_number","wa_id":"1666"}}`),
		messages(text("w3", `"from":"1666"`)),
	)
	if b.conversationOf("w1").ID != b.conversationOf("w3").ID {
		t.Error("the customer was lost with the number")
	}
	if phone, _ := b.conversationOf("w1").Customer.Address(); phone != "1666" {
		t.Error("messages go to the old number")
	}
}

func TestQuarantine(t *testing.T) {
	for name, tc := range map[string]struct {
		bodies []string
		want   []string
	}{
		"no JSON":                    {[]string{"{"}, []string{"not-understood"}},
		"another product":            {[]string{`{"object":"page"}`}, []string{"not-understood"}},
		"a broken message":           {[]string{messages(`"x"`, text("w1", `"from":"1555"`))}, []string{"not-understood"}},
		"a message without a sender": {[]string{messages(text("w1", `"group":"g"`))}, []string{"not-understood"}},
		"another number":             {[]string{value("9", `"messages":[`+text("w1", `"from":"1555"`)+`]`)}, []string{"other-number"}},
		"one wamid for two messages": {[]string{messages(text("w1", `"from":"1555"`), `{"id":"w1","timestamp":"1793613600","type":"image","from":"1555"}`)}, []string{"contradictory"}},
		"nothing wrong":              {[]string{messages(text("w1", `"from":"1555"`))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.process(tc.bodies...)
			b.process(messages(text("after", `"from":"1666"`)))
			if diff := cmp.Diff(tc.want, b.quarantined()); diff != "" {
				t.Errorf("quarantine (-want +got):\n%s", diff)
			}
			b.conversationOf("after")
		})
	}
}

func TestWhatIsForAnotherNumberCanBePostedAgain(t *testing.T) {
	b := newBench(t)
	b.process(value("9", `"messages":[`+text("w1", `"from":"1555"`)+`]`))
	var body string
	b.view(func(tx *store.Tx) error {
		list, err := tx.Quarantined(0, 1)
		body = string(list[0].Body)
		return err
	})
	b.process(strings.Replace(body, `"phone_number_id":"9"`, `"phone_number_id":"1"`, 1))
	b.conversationOf("w1")
}

func TestWhatIsNoMessageIsRecorded(t *testing.T) {
	b := newBench(t)
	b.process(
		`{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"account_update","value":{"event":"X"}}]}]}`,
		messages(`{"id":"g1","timestamp":"1793613600","type":"text","from":"1555","group_id":"group"}`),
		value("1", `"errors":[{"code":1}]`),
		value("1", `"novelty":[]`),
	)
	var fields []string
	b.view(func(tx *store.Tx) error {
		list, err := tx.Records(0, 100)
		for _, r := range list {
			fields = append(fields, r.Field)
		}
		return err
	})
	if diff := cmp.Diff([]string{"account_update", "group message", "messages", "messages"}, fields); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if q := b.quarantined(); len(q) != 0 {
		t.Errorf("quarantine: %v", q)
	}
}

// sendReply queues a reply and marks it as being sent.
func (b *bench) sendReply(id string) (e store.Effect) {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		m, _, err := tx.Message("w1")
		if err != nil {
			return err
		}
		if err := engine.Apply(tx, m.Conversation, conversation.ReplyWritten{ID: id, Epoch: 1, Text: "x"}, start); err != nil {
			return err
		}
		if e, _, err = tx.EffectByKey(id + "/send/1"); err != nil {
			return err
		}
		e, err = tx.BeginCall(e, start, start.Add(time.Minute))
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *bench) shows(key string) bool {
	b.t.Helper()
	var found bool
	b.view(func(tx *store.Tx) (err error) { _, found, err = tx.EffectByKey(key); return err })
	return found
}

// Meta repeats webhooks for days, and what a status said of sending then is not true any more.
func TestAStatusIsHeardOnce(t *testing.T) {
	b := newBench(t)
	var heard []string
	b.processor.Heard = func(e store.Effect, s webhook.Status) { heard = append(heard, e.Key+" "+s.Status) }
	b.process(messages(text("w1", `"from":"1555"`)))
	e := b.sendReply("r")
	status := func(id, status, opaque string) string {
		return value("1", `"statuses":[{"id":"`+id+`","status":"`+status+`","timestamp":"1793613700","biz_opaque_callback_data":"`+opaque+`"}]`)
	}
	failed := status("sent-1", "failed", e.Key)
	b.process(status("sent-1", "sent", e.Key), failed, failed, status("of another program", "failed", ""))
	if diff := cmp.Diff([]string{"r/send/1 sent", "r/send/1 failed"}, heard); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
}

func TestAStatusMayComeBeforeTheAnswer(t *testing.T) {
	status := func(opaque string) string {
		return value("1", `"statuses":[{"id":"sent-1","status":"delivered","timestamp":"1793613700"`+opaque+`}]`)
	}
	t.Run("with our own data", func(t *testing.T) {
		b := newBench(t)
		b.process(messages(text("w1", `"from":"1555"`)))
		e := b.sendReply("r")
		b.process(status(`,"biz_opaque_callback_data":"` + e.Key + `"`))
		if !b.shows("r/delivery/delivered") {
			t.Error("the ticket does not show it")
		}
		b.view(func(tx *store.Tx) error {
			e, _, err := tx.EffectByKey(e.Key)
			if e.State != store.EffectDone || e.RemoteID != "sent-1" {
				t.Errorf("the effect: %+v", e)
			}
			return err
		})
	})
	t.Run("with the wamid alone", func(t *testing.T) {
		b := newBench(t)
		b.process(messages(text("w1", `"from":"1555"`)))
		e := b.sendReply("r")
		b.process(status(""))
		if b.shows("r/delivery/delivered") {
			t.Fatal("nobody can know yet which message it is about")
		}
		if err := b.store.Update(t.Context(), func(tx *store.Tx) error {
			return errors.Join(tx.ConfirmEffect(e, "sent-1", start), engine.ApplyStatuses(tx, e, "sent-1", start))
		}); err != nil {
			t.Fatal(err)
		}
		if !b.shows("r/delivery/delivered") {
			t.Error("the status that waited was forgotten")
		}
	})
	t.Run("after the answer, with the wamid alone", func(t *testing.T) {
		b := newBench(t)
		b.process(messages(text("w1", `"from":"1555"`)))
		e := b.sendReply("r")
		if err := b.store.Update(t.Context(), func(tx *store.Tx) error { return tx.ConfirmEffect(e, "sent-1", start) }); err != nil {
			t.Fatal(err)
		}
		b.process(status(""))
		if !b.shows("r/delivery/delivered") {
			t.Error("the ticket does not show it")
		}
	})
}

// A program error in one webhook must not cost the others, nor come up at every start.
func TestAWebhookThatCannotBeProcessedGoesIntoQuarantine(t *testing.T) {
	b := newBench(t)
	b.process(messages(text("w1", `"from":"1555"`)))
	// What no version writes: a state that cannot be read.
	b.spoil(b.conversationOf("w1").ID)
	b.process(messages(text("w2", `"from":"1555"`)), messages(text("w3", `"from":"1666"`)))
	if diff := cmp.Diff([]string{"not-understood"}, b.quarantined()); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}
	b.conversationOf("w3")
}

// away is a store whose database cannot be reached for some updates.
type away struct {
	store.Store
	updates int
}

func (a *away) Update(ctx context.Context, fn func(*store.Tx) error) error {
	if a.updates--; a.updates >= 0 {
		return fmt.Errorf("%w: connection refused", store.ErrUnavailable)
	}
	return a.Store.Update(ctx, fn)
}

func TestADatabaseThatIsAwayIsNotTheWebhooksFault(t *testing.T) {
	b := newBench(t)
	flaky := &away{Store: b.store, updates: 1}
	b.processor.Store = flaky
	if err := b.store.Append(t.Context(), store.Webhook{ReceivedAt: start, Body: []byte(messages(text("w1", `"from":"1555"`)))}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.processor.Process(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a database: %v", err)
	}
	if _, err := b.processor.Process(t.Context()); err != nil {
		t.Errorf("with one again: %v", err)
	}
	if got := b.quarantined(); got != nil {
		t.Errorf("in quarantine: %v", got)
	}
	b.conversationOf("w1")
}
