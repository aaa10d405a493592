package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const aWebhook = `{"object":"whatsapp_business_account","entry":[]}`

func (b *bench) update(fn func(*store.Tx) error) {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) inboxBodies() (bodies []string) {
	b.t.Helper()
	if err := b.store.View(b.t.Context(), func(tx *store.Tx) error {
		list, err := tx.NextInbox(10, 1<<30)
		for _, row := range list {
			bodies = append(bodies, string(row.Body))
		}
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return bodies
}

func TestAQuarantinedWebhookIsReplayedOnce(t *testing.T) {
	b := newBench(t)
	b.update(func(tx *store.Tx) error {
		return tx.Quarantine(store.Quarantined{ReceivedAt: start, Reason: store.OtherNumber, Body: []byte(aWebhook)})
	})
	if status, answer := b.do(http.MethodPost, "/v1/quarantine/1/replay", "api", "", ""); status != 200 {
		t.Fatalf("replay: status %d, %s", status, answer)
	}
	if got := b.inboxBodies(); len(got) != 1 || got[0] != aWebhook {
		t.Errorf("the inbox holds %q", got)
	}
	if b.changed != 1 {
		t.Error("nobody was told that there is something to process")
	}
	if status, _ := b.do(http.MethodPost, "/v1/quarantine/1/replay", "api", "", ""); status != 404 {
		t.Errorf("a second replay: status %d", status)
	}
}

func TestAPartOfAWebhookIsNotReplayedButDiscarded(t *testing.T) {
	b := newBench(t)
	b.update(func(tx *store.Tx) error {
		return tx.Quarantine(store.Quarantined{ReceivedAt: start, Reason: store.NotUnderstood, Body: []byte(`{"id":"w"}`)})
	})
	if status, answer := b.do(http.MethodPost, "/v1/quarantine/1/replay", "api", "", ""); status != 422 || !strings.Contains(answer, "part of a webhook") {
		t.Errorf("replay: status %d, %s", status, answer)
	}
	if status, _ := b.do(http.MethodDelete, "/v1/quarantine/1", "api", "", ""); status != 200 {
		t.Errorf("discard: status %d", status)
	}
	if status, _ := b.do(http.MethodDelete, "/v1/quarantine/1", "api", "", ""); status != 404 {
		t.Errorf("a second discard: status %d", status)
	}
	if got := b.inboxBodies(); len(got) != 0 {
		t.Errorf("the inbox holds %q", got)
	}
}

func TestAWebhookIsPutInByHand(t *testing.T) {
	b := newBench(t)
	large := strings.Replace(aWebhook, "[]", "[]"+strings.Repeat(" ", 1<<20), 1)
	for body, want := range map[string]int{aWebhook: 200, large: 200, `{"object":"page"}`: 400, `{`: 400, strings.Repeat(" ", 4<<20): 413} {
		if status, answer := b.do(http.MethodPost, "/v1/webhooks", "api", "", body); status != want {
			t.Errorf("%.20s: status %d, want %d: %s", body, status, want, answer)
		}
	}
	if got := b.inboxBodies(); len(got) != 2 {
		t.Errorf("the inbox holds %d webhooks", len(got))
	}
}

// What is large is shown a little at a time: the receiver has not the memory for two hundred webhooks of Meta's largest size.
func TestAPageOfLargeWebhooksIsShortAndTheNextGoesOn(t *testing.T) {
	b := newBench(t)
	const each = 3
	b.update(func(tx *store.Tx) error {
		for i := range each {
			large := []byte(strconv.Itoa(i) + strings.Repeat(" ", 3<<20))
			if err := errors.Join(
				tx.Quarantine(store.Quarantined{ReceivedAt: start, Reason: store.NotUnderstood, Body: large}),
				tx.AddRecord(store.Record{ReceivedAt: start, Field: "odd", Body: large}),
			); err != nil {
				return err
			}
		}
		return nil
	})
	for path, member := range map[string]string{"/v1/quarantine": "quarantined", "/v1/records": "records"} {
		found := 0
		for {
			status, answer := b.do(http.MethodGet, fmt.Sprintf("%s?limit=200&after=%d", path, found), "api", "", "")
			if status != http.StatusOK || len(answer) > 5<<20 {
				t.Fatalf("%s: status %d, %d bytes", path, status, len(answer))
			}
			var page map[string][]struct{}
			if err := json.Unmarshal([]byte(answer), &page); err != nil {
				t.Fatal(err)
			}
			if len(page[member]) == 0 {
				break
			}
			found += len(page[member])
		}
		if found != each {
			t.Errorf("%s: %d of %d are shown", path, found, each)
		}
	}
}

func TestRecordsAndStatusesAreShown(t *testing.T) {
	b := newBench(t)
	b.update(func(tx *store.Tx) error {
		if err := tx.AddRecord(store.Record{ReceivedAt: start, Field: "account_update", Body: []byte(`{"event":"X"}`)}); err != nil {
			return err
		}
		if err := tx.AddRecord(store.Record{ReceivedAt: start, Field: "odd", Body: []byte(`{`)}); err != nil {
			return err
		}
		return tx.AddForeignStatus("w1", "sent", []byte(`{"id":"w1"}`), start)
	})
	for path, want := range map[string]string{
		"/v1/records": `{"records":[{"id":1,"receivedAt":"2026-11-02T10:00:00Z","field":"account_update","body":{"event":"X"}},` +
			`{"id":2,"receivedAt":"2026-11-02T10:00:00Z","field":"odd","body":"{"}]}`,
		"/v1/records?after=2": `{"records":[]}`,
		"/v1/statuses":        `{"statuses":[{"messageID":"w1","status":"sent","receivedAt":"2026-11-02T10:00:00Z","body":{"id":"w1"}}]}`,
	} {
		if _, got := b.do(http.MethodGet, path, "api", "", ""); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", path, got, want)
		}
	}
}

func TestATicketIsPutAsideAndReopened(t *testing.T) {
	b := newBench(t)
	b.open()
	state := func() (s conversation.State) {
		t.Helper()
		if err := b.store.View(t.Context(), func(tx *store.Tx) (err error) { s, _, err = tx.Conversation("c"); return err }); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, step := range []struct {
		do, ticket    string
		open, pending bool
	}{
		{"pending", "pending", true, true},
		{"open", "open", true, false},
		{"close", "closed", false, false},
		{"open", "open", true, false},
	} {
		status, answer := b.do(http.MethodPost, "/v1/tickets/1/"+step.do, "api", "", "")
		if status != 200 || !strings.Contains(answer, `"state":"`+step.ticket+`"`) {
			t.Errorf("%s: status %d, %s", step.do, status, answer)
		}
		if s := state(); s.Open != step.open || s.Pending != step.pending {
			t.Errorf("%s: the conversation has open %v, pending %v", step.do, s.Open, s.Pending)
		}
	}
	b.do(http.MethodPost, "/v1/tickets/1/close", "api", "", "")
	s := state()
	s.Epoch++
	b.update(func(tx *store.Tx) error { return tx.SaveConversation(s, start) })
	if status, answer := b.do(http.MethodPost, "/v1/tickets/1/open", "api", "", ""); status != 409 || !strings.Contains(answer, "newer ticket") {
		t.Errorf("a superseded ticket: status %d, %s", status, answer)
	}
}

// A customer's answer that reopens a pending ticket must not reopen one that an agent closed meanwhile.
func TestAClosedTicketStaysClosed(t *testing.T) {
	b := newBench(t)
	b.open()
	b.do(http.MethodPost, "/v1/tickets/1/close", "api", "", "")
	if err := b.inbox.SetState(t.Context(), "1", conversation.TicketIsOpen); err != nil {
		t.Fatal(err)
	}
	if _, answer := b.do(http.MethodGet, "/v1/tickets/1", "api", "", ""); !strings.Contains(answer, `"state":"closed"`) {
		t.Errorf("the ticket: %s", answer)
	}
}
