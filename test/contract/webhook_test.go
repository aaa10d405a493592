//go:build contract

package contract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// samples reads all sample webhooks, in the order of their names.
func samples(tb testing.TB) []askedWebhook {
	tb.Helper()
	root := fixtures(tb, "webhooks")
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no sample webhooks in %s: %v", root, err)
	}
	slices.Sort(files)
	webhooks := make([]askedWebhook, 0, len(files))
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			tb.Fatal(err)
		}
		webhooks = append(webhooks, askedWebhook{Name: filepath.ToSlash(name), Body: body})
	}
	return webhooks
}

// batch makes one webhook out of many, as Meta does after an outage.
func batch(tb testing.TB, webhooks []askedWebhook) askedWebhook {
	tb.Helper()
	type payload struct {
		Object string            `json:"object"`
		Entry  []json.RawMessage `json:"entry"`
	}
	all := payload{Object: webhook.Object}
	for _, w := range webhooks {
		var one payload
		if err := json.Unmarshal(w.Body, &one); err != nil {
			tb.Fatalf("%s: %v", w.Name, err)
		}
		all.Entry = append(all.Entry, one.Entry...)
	}
	body, err := json.Marshal(all)
	if err != nil {
		tb.Fatal(err)
	}
	return askedWebhook{Name: "all samples in one webhook", Body: body}
}

// TestWebhooksAgree shows that both implementations find the same messages,
// statuses and senders in every sample, and in all samples batched into one.
func TestWebhooksAgree(t *testing.T) {
	webhooks := samples(t)
	all := batch(t, webhooks)
	theirs := ask(t, question{Webhooks: append(slices.Clone(webhooks), all)}).Webhooks
	var sum tally
	for _, w := range webhooks {
		t.Run(w.Name, func(t *testing.T) { sum.add(compare(t, w, theirs[w.Name])) })
	}
	t.Run(all.Name, func(t *testing.T) {
		if got := compare(t, all, theirs[all.Name]); got != sum {
			t.Errorf("the batch holds %+v, the samples alone hold %+v", got, sum)
		}
	})
	if sum.Messages == 0 || sum.Statuses == 0 || sum.Echoes == 0 || sum.Calls == 0 {
		t.Error("some kind of update is in no sample, so nothing is known about it")
	}
	t.Logf("%d samples and their batch agree on: %+v", len(webhooks), sum)
}

// compare reports where the two implementations read a webhook differently.
func compare(t *testing.T, w askedWebhook, their normalized) tally {
	t.Helper()
	if their.Problem != "" {
		t.Fatalf("the other implementation fails: %s", their.Problem)
	}
	ours, err := webhook.Parse(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range ours.Broken {
		t.Errorf("we cannot read %s: %s", broken.Path, broken.Reason)
	}
	got := read(ours)
	want, theirTally := their.read()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-theirs +ours:\n%s", diff)
	}
	ourTally := tally{
		Messages: len(got.Messages),
		Statuses: len(got.Statuses),
		Echoes:   countIn(t, ours, "smb_message_echoes", "message_echoes"),
		Calls:    countIn(t, ours, "calls", "statuses"),
	}
	if theirTally != ourTally {
		t.Errorf("they count %+v, we count %+v", theirTally, ourTally)
	}
	return ourTally
}

// A tally counts updates. The other implementation lists echoes, which are
// messages that the business sent with the WhatsApp Business app, among the
// messages, and statuses of calls among the statuses; for us they are neither.
type tally struct {
	Messages, Statuses, Echoes, Calls int
}

func (t *tally) add(other tally) {
	t.Messages += other.Messages
	t.Statuses += other.Statuses
	t.Echoes += other.Echoes
	t.Calls += other.Calls
}

// countIn counts the elements of a list in the raw values of one webhook field.
func countIn(t *testing.T, p webhook.Payload, field, list string) int {
	t.Helper()
	found := 0
	for _, entry := range p.Entries {
		for _, change := range entry.Changes {
			if change.Field != field {
				continue
			}
			var value map[string]json.RawMessage
			if err := json.Unmarshal(change.Value.Raw, &value); err != nil {
				t.Fatal(err)
			}
			var elements []json.RawMessage
			if value[list] != nil {
				if err := json.Unmarshal(value[list], &elements); err != nil {
					t.Fatal(err)
				}
			}
			found += len(elements)
		}
	}
	return found
}
