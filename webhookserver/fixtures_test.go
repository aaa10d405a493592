package webhookserver_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// fixtures returns the sample webhooks by name.
func fixtures(t *testing.T) map[string][]byte {
	t.Helper()
	dir := os.Getenv("WHATSAPP_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "fixtures")
	}
	names, err := filepath.Glob(filepath.Join(dir, "webhooks", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Skip("SKIPPED: there are no sample webhooks; set WHATSAPP_FIXTURES to where they are")
	}
	bodies := map[string][]byte{}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bodies[filepath.Join(filepath.Base(filepath.Dir(name)), filepath.Base(name))] = body
	}
	return bodies
}

// parts returns the webhooks in a sample: one file holds several, by name, as no webhook does.
func parts(body []byte) [][]byte {
	var named map[string]json.RawMessage
	if json.Unmarshal(body, &named) != nil || named["object"] != nil || named["entry"] != nil {
		return [][]byte{body}
	}
	var list [][]byte
	for _, part := range named {
		list = append(list, part)
	}
	return list
}

func TestEverySampleWebhookIsAcknowledgedAndProcessed(t *testing.T) {
	samples := fixtures(t)
	r := newReceiver(t)
	r.start()
	posted := 0
	for name, body := range samples {
		for _, part := range append(parts(body), body) {
			posted++
			if status := r.post(part); status != http.StatusOK {
				t.Errorf("%s: status %d", name, status)
			}
		}
	}
	r.eventually("nothing is left to process", func() bool { return r.status().Backlog == 0 })
	t.Logf("%d webhooks of %d samples", posted, len(samples))
}

// Each sample goes to a channel whose phone number it is for, twice, as Meta repeats webhooks. Every message in it
// has to be in the store afterwards: taken up, recorded if it is a group's, or in quarantine if it contradicts a
// message with the same wamid.
//
// The sample of a batch gives one wamid to a text and to an image. Meta's wamids are unique, so no such webhook can
// come, but if one did the second message would not be dropped: it is not a repetition, and goes into quarantine.
func TestEverySampleMessageIsInTheStore(t *testing.T) {
	for name, body := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			for _, part := range parts(body) {
				everyMessageIsKept(t, name, part)
			}
		})
	}
}

func everyMessageIsKept(t *testing.T, name string, body []byte) {
	t.Helper()
	payload, err := webhook.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	number := "0"
	for _, entry := range payload.Entries {
		for _, change := range entry.Changes {
			if change.Field == webhook.FieldMessages {
				number = change.Value.Metadata.PhoneNumberID
			}
		}
	}
	s, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	processor := engine.NewProcessor(engine.Processor{
		Store: s, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Processed: func() {},
		Channel: func() config.Channel { return config.Channel{PhoneNumber: &config.PhoneNumber{ID: number}} },
	})
	for range 2 {
		if err := s.Append(t.Context(), store.Webhook{ReceivedAt: time.Now(), Body: body}); err != nil {
			t.Fatal(err)
		}
		if _, err := processor.Process(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	contradictions := 0
	if name == filepath.Join("derived", "batch-3-entries-4-changes-3-messages.json") {
		contradictions = 2 // One each time.
	}
	kept := map[string]bool{}
	if err := s.View(t.Context(), func(tx *store.Tx) error {
		counts, err := tx.Counts()
		if err != nil {
			return err
		}
		if counts.Backlog != 0 || int(counts.Quarantined[store.Contradictory]) != contradictions || counts.Quarantined[store.OtherNumber] != 0 {
			t.Errorf("left: %+v", counts)
		}
		records, err := tx.Records(0, 100)
		if err != nil {
			return err
		}
		changes := 0
		for _, entry := range payload.Entries {
			for _, change := range entry.Changes {
				for _, m := range change.Value.Messages {
					stored, found, err := tx.Message(m.ID)
					if err != nil {
						return err
					}
					if !found {
						t.Errorf("a message of type %s is not in the store", m.Type)
						continue
					}
					if !kept[m.ID] && stored.Type != m.Type {
						t.Errorf("a message of type %s is stored as %s", m.Type, stored.Type)
					}
					if !kept[m.ID] {
						_, found, err := tx.EffectByKey(m.ID + "/article")
						if err != nil {
							return err
						}
						ticket, hasTicket, err := tx.EffectByKey(stored.Conversation + "/1/ticket")
						if !found && (!hasTicket || ticket.OpenTicket.Article.ID != m.ID) {
							t.Errorf("a message of type %s has no article", m.Type)
						}
						if err != nil {
							return err
						}
					}
					kept[m.ID] = true
				}
				v := change.Value
				if change.Field != webhook.FieldMessages || len(v.Errors) > 0 || len(v.Messages)+len(v.Statuses) == 0 {
					changes++
				}
			}
		}
		if len(records) != 2*changes {
			t.Errorf("%d records of %d changes that are about no message, posted twice", len(records), changes)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
