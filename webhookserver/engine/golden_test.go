package engine_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

var update = flag.Bool("update", false, "write the golden files anew; read every change before you keep it")

const (
	earlierText  = "My parcel has not come."
	earlierReply = "Which parcel is it?"
)

// Each sample webhook is posted twice, as Meta repeats webhooks: to a channel that has never heard of the customer,
// and to one where the customer has an open ticket, with a message of theirs and an agent's reply that the sample's
// references and statuses are about. The golden file says what a person finds afterwards.
func TestEverySampleWebhookLeavesWhatAPersonExpects(t *testing.T) {
	samples, emptyStore := sampleWebhooks(t), t.TempDir()
	empty, err := store.OpenSQLite(t.Context(), store.SQLiteOptions{Dir: emptyStore})
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	for name, body := range samples {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for i, part := range sampleParts(body) {
				if i > 0 {
					b.WriteString("\n")
				}
				payload, err := webhook.Parse(part)
				if err != nil {
					t.Fatal(err)
				}
				b.WriteString("## From someone new\n\n" + newDesk(t, emptyStore, payload).post(part))
				if d := newDesk(t, emptyStore, payload); len(d.value.Messages)+len(d.value.Statuses) > 0 {
					d.talkBefore()
					b.WriteString("\n## On an open ticket\n\n" + d.post(part))
				}
			}
			golden := filepath.Join("testdata", "golden", strings.TrimSuffix(name, ".json")+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("a person finds (-want +got):\n%s", diff)
			}
		})
	}
}

// sampleWebhooks returns the sample webhooks by name.
func sampleWebhooks(t *testing.T) map[string][]byte {
	t.Helper()
	root := os.Getenv("WHATSAPP_FIXTURES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "fixtures")
	}
	root = filepath.Join(root, "webhooks")
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("SKIPPED: there are no sample webhooks; set WHATSAPP_FIXTURES to where they are")
	}
	bodies := map[string][]byte{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		bodies[filepath.ToSlash(name)] = body
	}
	return bodies
}

// sampleParts returns the webhooks in a sample: one file may hold several, by name, as no webhook does.
func sampleParts(body []byte) [][]byte {
	var named map[string]json.RawMessage
	if json.Unmarshal(body, &named) != nil || named["object"] != nil || named["entry"] != nil {
		return [][]byte{body}
	}
	var list [][]byte
	for _, name := range slices.Sorted(maps.Keys(named)) {
		list = append(list, named[name])
	}
	return list
}

// desk is a channel with the built-in inbox, for the phone number and the time of a sample.
type desk struct {
	*bench
	payload webhook.Payload
	value   webhook.Value
	clock   *clocktest.Fake
	inbox   *inbox.Inbox
	sent    []string
}

// newDesk returns a desk with a copy of an empty store, because making many takes long.
func newDesk(t *testing.T, emptyStore string, payload webhook.Payload) *desk {
	t.Helper()
	d := &desk{payload: payload}
	channel := config.Channel{
		PhoneNumber: &config.PhoneNumber{ID: "0"}, TargetGroup: "2nd Level",
		Messages: config.Messages{Welcome: "Welcome!", Unsupported: "We cannot read this."},
	}
	now := start
	for _, entry := range payload.Entries {
		for _, change := range entry.Changes {
			v := change.Value
			if v.Metadata.PhoneNumberID != "" {
				channel.PhoneNumber.ID = v.Metadata.PhoneNumberID
			}
			for _, m := range v.Messages {
				if at := m.Timestamp.Add(time.Minute); len(d.value.Messages) == 0 || at.After(now) {
					d.value, now = v, at
				}
			}
			for _, s := range v.Statuses {
				if len(d.value.Messages) == 0 && s.RecipientType != "group" {
					d.value, now = v, s.Timestamp.Add(time.Minute)
				}
			}
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(emptyStore)); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d.clock = clocktest.New(now)
	d.bench = &bench{t: t, store: s, processor: engine.NewProcessor(engine.Processor{
		Store: s, Clock: d.clock, Log: slog.New(slog.DiscardHandler), Processed: func() {},
		Channel: func() config.Channel { return channel },
	})}
	d.inbox = &inbox.Inbox{Store: s, Clock: d.clock, Settings: func() conversation.Settings { return engine.SettingsOf(channel) }}
	return d
}

// post posts a webhook twice and returns what a person finds afterwards.
func (d *desk) post(body []byte) string {
	d.t.Helper()
	for range 2 {
		d.process(string(body))
		d.makeCalls("")
	}
	return d.find()
}

// talkBefore has the sample's customer write, and an agent reply, ten minutes before the sample. References to, and
// statuses of, messages of the business are about the reply.
func (d *desk) talkBefore() {
	d.t.Helper()
	first := webhook.Message{ID: "wamid.earlier", Timestamp: d.clock.Now().Add(-10 * time.Minute)}
	replyID := "wamid.reply"
	if len(d.value.Messages) > 0 {
		m := d.value.Messages[0]
		contact, _ := d.value.ContactOf(m)
		if conversation.Digits(m.From) == "" && m.FromUserID == "" {
			contact = d.value.Contacts[0]
		}
		first.From, first.FromUserID = m.From, m.FromUserID
		if first.FromUserID == "" {
			first.FromUserID = contact.UserID
		}
		switch {
		case m.Edit != nil:
			first.ID = m.Edit.OriginalMessageID
		case m.Revoke != nil:
			first.ID = m.Revoke.OriginalMessageID
		case m.Reaction != nil:
			replyID = m.Reaction.MessageID
		case m.Context != nil && m.Context.ID != "":
			replyID = m.Context.ID
		}
	} else {
		s := d.value.Statuses[0]
		first.From, first.FromUserID, replyID = s.RecipientID, s.RecipientUserID, s.ID
	}
	d.process(value(d.value.Metadata.PhoneNumberID, fmt.Sprintf(
		`"messages":[{"id":%q,"from":%q,"from_user_id":%q,"timestamp":"%d","type":"text","text":{"body":%q}}]`,
		first.ID, first.From, first.FromUserID, first.Timestamp.Unix(), earlierText)))
	d.makeCalls("")
	if _, err := d.inbox.Reply(d.t.Context(), 1, "key", earlierReply); err != nil {
		d.t.Fatal(err)
	}
	d.makeCalls(replyID)
	d.sent = nil
}

// makeCalls makes the calls that wait, one after the other. Messages to customers get the wamid, if it is not empty.
func (d *desk) makeCalls(wamid string) {
	d.t.Helper()
	caller := &outbox.HelpdeskCaller{
		Helpdesk: func() helpdesk.Helpdesk { return d.inbox }, Store: d.store, Clock: d.clock,
		Settings: func() conversation.Settings { return conversation.Settings{} },
	}
	for {
		var due []store.Effect
		d.view(func(tx *store.Tx) (err error) {
			due, err = tx.DueEffects(d.clock.Now(), 1, conversation.Helpdesk, conversation.Graph)
			return err
		})
		if len(due) == 0 {
			return
		}
		e := due[0]
		remoteID := wamid
		if e.SendText == nil {
			var err error
			if remoteID, err = caller.Call(d.t.Context(), e, conversation.State{}); err != nil {
				d.t.Fatal(err)
			}
		} else {
			d.sent = append(d.sent, fmt.Sprintf("%s: %s", e.SendText.Purpose, e.SendText.Text))
			if remoteID == "" {
				remoteID = "wamid.ours." + e.Key
			}
		}
		if err := d.store.Update(d.t.Context(), func(tx *store.Tx) error { return tx.ConfirmEffect(e, remoteID, d.clock.Now()) }); err != nil {
			d.t.Fatal(err)
		}
	}
}

// find words what a person finds in the inbox, on the customer's phone, and in the lists of what belongs to no ticket.
func (d *desk) find() string {
	d.t.Helper()
	var b strings.Builder
	d.view(func(tx *store.Tx) error {
		tickets, err := tx.Tickets("", 1<<62, 100)
		if err != nil {
			return err
		}
		slices.Reverse(tickets)
		for _, ticket := range tickets {
			if err := d.ticket(&b, tx, ticket); err != nil {
				return err
			}
		}
		for _, text := range d.sent {
			fmt.Fprintf(&b, "sent to the customer, %s\n", text)
		}
		records, err := tx.Records(0, 100)
		if err != nil {
			return err
		}
		for _, r := range records {
			fmt.Fprintf(&b, "recorded: %s\n", r.Field)
		}
		statuses, err := tx.KeptStatuses(100)
		if err != nil {
			return err
		}
		for _, s := range statuses {
			fmt.Fprintf(&b, "kept: status %s of a message that is not known\n", s.Status)
		}
		quarantined, err := tx.Quarantined(0, 100)
		for _, q := range quarantined {
			fmt.Fprintf(&b, "in quarantine, %s: %s\n", q.Reason, q.Detail)
		}
		return err
	})
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (d *desk) ticket(b *strings.Builder, tx *store.Tx, ticket store.Ticket) error {
	state, _, err := tx.Conversation(ticket.Conversation)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "ticket %d in %s, %s: %s\n", ticket.ID, ticket.Group, ticket.State, ticket.Title)
	phone, userID := state.Customer.Address()
	fmt.Fprintf(b, "replies go to: %s%s; window ends: %s\n", phone, userID, state.WindowEnds().UTC().Format(time.DateTime))
	articles, err := tx.Articles(ticket.ID)
	for _, a := range articles {
		fmt.Fprintf(b, "- %s", a.Author)
		if a.Type != "" {
			fmt.Fprintf(b, ", %s", a.Type)
		}
		if a.Delivery != "" {
			fmt.Fprintf(b, ", %s", strings.TrimSpace(string(a.Delivery)+" "+a.DeliveryReason))
		}
		fmt.Fprintf(b, ":\n    %s\n", strings.ReplaceAll(a.Text, "\n", "\n    "))
	}
	return err
}
