// Package storetest is what every engine of the store has to pass.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Opener opens the same database each time it is called, after the one before was closed.
type Opener func(t *testing.T) store.Store

// At is the time at which the suite's things happen.
var At = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

// Run runs the suite. fresh is called once a test and returns an opener for an empty database.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"Webhooks survive reopening in order":            webhooksSurvive,
		"Concurrent webhooks are all kept":               concurrentWebhooks,
		"A failed update takes back only itself":         failedUpdate,
		"A view cannot write":                            viewCannotWrite,
		"A closed store says so":                         closedStore,
		"A wamid is taken once":                          wamidOnce,
		"Identities lead to the latest conversation":     identities,
		"Conversations are woken in time":                wakes,
		"Statuses wait for their message":                statusesWait,
		"Statuses of others are kept":                    statusesOfOthers,
		"A lane goes one by one":                         laneOneByOne,
		"Lanes do not hold up each other":                lanesApart,
		"An effect's key counts once":                    keyOnce,
		"A ticket that is dead holds its articles":       deadTicketHolds,
		"A dead letter is replayed in its place":         replay,
		"What was in flight is in doubt after a crash":   inFlightIsInDoubt,
		"A lease keeps others off until it ends":         leases,
		"A duty is one holder's at a time":               duties,
		"A claim that was lost changes nothing":          lostClaims,
		"Text that is not text is kept as it can be":     oddText,
		"What is old is removed, and nothing else":       retention,
		"A settled effect is not changed any more":       settled,
		"Tickets and articles are there once":            tickets,
		"Files of articles are there once":               attachments,
		"A request is carried out once":                  requests,
		"A store belongs to one channel":                 claim,
		"Tickets of a helpdesk lead to conversations":    ticketLinks,
		"An agent's article is taken once":               agentArticles,
		"A value is swapped by one":                      swaps,
		"Files of conversations are found":               files,
		"Counts tell what is there":                      counts,
		"A backlog is counted only where it is long":     backlog,
		"Quarantine and records are kept":                quarantine,
		"Effects become due in time and by destination":  due,
		"An attempt that does not count is not counted":  uncounted,
		"Conversations keep their state through reopens": conversations,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

func update(t *testing.T, s store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t *testing.T, s store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func closeStore(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func open(t *testing.T, opener Opener) store.Store {
	t.Helper()
	s := opener(t)
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

// talk makes conversations that other rows can belong to.
func talk(t *testing.T, s store.Store, ids ...string) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := tx.SaveConversation(conversation.State{ID: id}, At); err != nil {
				return err
			}
		}
		return nil
	})
}

func webhooksSurvive(t *testing.T, opener Opener) {
	s := opener(t)
	for i := range 5 {
		if err := s.Append(t.Context(), store.Webhook{ReceivedAt: At.Add(time.Duration(i)), Body: fmt.Appendf(nil, "body %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	s = open(t, opener)
	var got []string
	view(t, s, func(tx *store.Tx) error {
		list, err := tx.NextInbox(4, 1<<30)
		for _, row := range list {
			got = append(got, string(row.Body))
			if !row.ReceivedAt.Equal(At) {
				t.Errorf("received at %v, want %v", row.ReceivedAt, At)
			}
		}
		return err
	})
	if diff := cmp.Diff([]string{"body 0", "body 1", "body 2", "body 3"}, got); diff != "" {
		t.Errorf("inbox (-want +got):\n%s", diff)
	}
	update(t, s, func(tx *store.Tx) error {
		list, err := tx.NextInbox(1, 1<<30)
		if err != nil {
			return err
		}
		// Once more does no harm.
		return errors.Join(tx.RemoveInbox(list[0].Seq), tx.RemoveInbox(list[0].Seq))
	})
	view(t, s, func(tx *store.Tx) error {
		list, err := tx.NextInbox(10, 1<<30)
		if len(list) != 4 || string(list[0].Body) != "body 1" {
			t.Errorf("after removing the first: %d rows", len(list))
		}
		there, err2 := tx.Unprocessed(list[0].Seq-1, list[2].Seq)
		if diff := cmp.Diff([]int64{list[0].Seq, list[1].Seq, list[2].Seq}, there); err2 != nil || diff != "" {
			t.Errorf("still there: %v (-want +got):\n%s", err2, diff)
		}
		// Each body has six bytes.
		for bytes, want := range map[int]int{1: 1, 12: 2, 17: 2, 24: 4} {
			some, err := tx.NextInbox(10, bytes)
			if err != nil || len(some) != want {
				t.Errorf("in %d bytes there are %d webhooks, %v; want %d", bytes, len(some), err, want)
			}
		}
		return err
	})
}

func concurrentWebhooks(t *testing.T, opener Opener) {
	s := open(t, opener)
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			for j := range 25 {
				if err := s.Append(context.Background(), store.Webhook{ReceivedAt: At, Body: fmt.Appendf(nil, "%d/%d", i, j)}); err != nil {
					t.Error(err)
				}
				if err := s.Update(context.Background(), func(tx *store.Tx) error {
					return tx.AddRecord(store.Record{ReceivedAt: At, Field: "f", Body: []byte("x")})
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	seen := map[string]bool{}
	view(t, s, func(tx *store.Tx) error {
		list, err := tx.NextInbox(1000, 1<<30)
		for _, row := range list {
			seen[string(row.Body)] = true
		}
		records, recordErr := tx.Records(0, 1000)
		if len(records) != 500 {
			t.Errorf("%d records, want 500", len(records))
		}
		return errors.Join(err, recordErr)
	})
	if len(seen) != 500 {
		t.Errorf("%d webhooks, want 500", len(seen))
	}
}

func failedUpdate(t *testing.T, opener Opener) {
	s := open(t, opener)
	broken := errors.New("broken")
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			err := s.Update(context.Background(), func(tx *store.Tx) error {
				if err := tx.AddRecord(store.Record{ReceivedAt: At, Field: fmt.Sprint(i % 2)}); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return broken
				case 3:
					// The database refuses it, at the latest when nothing else comes.
					return tx.AddMessage(store.Message{WAMID: fmt.Sprint(i), Conversation: "of nobody", SentAt: At, ReceivedAt: At})
				}
				return nil
			})
			if (err != nil) != (i%2 == 1) || errors.Is(err, broken) != (i%4 == 1) {
				t.Errorf("Update %d: %v", i, err)
			}
		})
	}
	group.Wait()
	view(t, s, func(tx *store.Tx) error {
		list, err := tx.Records(0, 100)
		if len(list) != 20 {
			t.Errorf("%d records, want the 20 of the updates that did not fail", len(list))
		}
		for _, r := range list {
			if r.Field != "0" {
				t.Error("the record of a failed update stayed")
			}
		}
		return err
	})
}

func viewCannotWrite(t *testing.T, opener Opener) {
	s := open(t, opener)
	err := s.View(t.Context(), func(tx *store.Tx) error { return tx.SetMeta("a", "b") })
	if err == nil {
		t.Error("a view wrote")
	}
}

func closedStore(t *testing.T, opener Opener) {
	s := opener(t)
	closeStore(t, s)
	closeStore(t, s)
	if err := s.Append(t.Context(), store.Webhook{Body: []byte("x")}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	if s.Err() != nil {
		t.Errorf("Close counts as a failure: %v", s.Err())
	}
}

func wamidOnce(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	m := store.Message{WAMID: "w1", Conversation: "c1", Type: "text", SentAt: At, ReceivedAt: At.Add(time.Second), Body: []byte("{}")}
	for range 3 {
		update(t, s, func(tx *store.Tx) error { return tx.AddMessage(m) })
		m.Type = "image"
	}
	view(t, s, func(tx *store.Tx) error {
		got, found, err := tx.Message("w1")
		m.Type = "text"
		if diff := cmp.Diff(m, got); !found || diff != "" {
			t.Errorf("the first message changed (-want +got):\n%s", diff)
		}
		return err
	})
}

func identities(t *testing.T, opener Opener) {
	s := open(t, opener)
	customer := func(id, user, phone string) {
		update(t, s, func(tx *store.Tx) error {
			return tx.SaveConversation(conversation.State{ID: id, Customer: conversation.Customer{UserID: user, Phone: phone}}, At)
		})
	}
	lead := func(kind store.IdentityKind, value, want string) {
		t.Helper()
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.ConversationOf(kind, value)
			if got != want {
				t.Errorf("%s %s leads to %q, want %q", kind, value, got, want)
			}
			return err
		})
	}
	customer("c1", "US.1", "1555")
	customer("c1", "US.1", "1555")
	customer("c2", "", "1666")
	lead(store.UserID, "US.1", "c1")
	lead(store.Phone, "1555", "c1")
	lead(store.Phone, "1666", "c2")
	lead(store.Phone, "", "")
	customer("c2", "US.2", "1555")
	lead(store.Phone, "1555", "c1")
	lead(store.UserID, "US.2", "c2")
	update(t, s, func(tx *store.Tx) error { return tx.Lead(store.Phone, "1555", "c2") })
	customer("c1", "US.1", "1555")
	lead(store.Phone, "1555", "c2")
	lead(store.UserID, "US.1", "c1")
}

func wakes(t *testing.T, opener Opener) {
	s := open(t, opener)
	save := func(id string, lastMessageAt time.Time) {
		update(t, s, func(tx *store.Tx) error {
			return tx.SaveConversation(conversation.State{
				ID: id, Epoch: 1, Open: true, LastMessageAt: lastMessageAt, Clock: conversation.Clock{EndAnnounced: true},
			}, At)
		})
	}
	check := func(now time.Time, next time.Time, due ...string) {
		t.Helper()
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.DueWakes(now, 10)
			if diff := cmp.Diff(due, got); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
			at, err2 := tx.NextWake()
			if !at.Equal(next) {
				t.Errorf("the next wakes at %v, want %v", at, next)
			}
			return errors.Join(err, err2)
		})
	}
	check(At, time.Time{})
	save("late", At)
	save("early", At.Add(-time.Hour))
	save("never", time.Time{})
	check(At.Add(23*time.Hour-1), At.Add(23*time.Hour))
	check(At.Add(24*time.Hour), At.Add(23*time.Hour), "early", "late")
	update(t, s, func(tx *store.Tx) error { return tx.DropWake("early") })
	check(At.Add(24*time.Hour), At.Add(24*time.Hour), "late")
	update(t, s, func(tx *store.Tx) error { return tx.ResetWakes("a", At) })
	check(At, At, "late")
	save("late", At)
	update(t, s, func(tx *store.Tx) error { return tx.ResetWakes("a", At) })
	check(At, At.Add(24*time.Hour))
}

func statusesWait(t *testing.T, opener Opener) {
	s := open(t, opener)
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.AddStatus("w1", "sent", []byte("1"), At),
			tx.AddStatus("w1", "read", []byte("2"), At.Add(time.Second)),
			tx.AddStatus("w1", "read", []byte("again"), At.Add(time.Minute)),
			tx.AddStatus("w2", "sent", []byte("3"), At),
		)
	})
	update(t, s, func(tx *store.Tx) error {
		got, err := tx.TakeStatuses("w1")
		if diff := cmp.Diff([][]byte{[]byte("1"), []byte("2")}, got); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		return err
	})
	update(t, s, func(tx *store.Tx) error {
		got, err := tx.TakeStatuses("w1")
		if len(got) != 0 {
			t.Error("statuses were taken twice")
		}
		return err
	})
}

func statusesOfOthers(t *testing.T, opener Opener) {
	s := open(t, opener)
	awaits := func() (awaits bool) {
		view(t, s, func(tx *store.Tx) (err error) {
			awaits, err = tx.AwaitsAnswer(conversation.Graph)
			return err
		})
		return awaits
	}
	if awaits() {
		t.Error("an answer is awaited, and nothing was called")
	}
	update(t, s, func(tx *store.Tx) error { return tx.SaveConversation(conversation.State{ID: "c"}, At) })
	add(t, s, "c", effect("r", conversation.KindSendText))
	e := byKey(t, s, "r")
	update(t, s, func(tx *store.Tx) (err error) {
		e, err = tx.BeginCall(e, At, At.Add(time.Minute))
		return err
	})
	if !awaits() {
		t.Error("no answer is awaited during a call")
	}
	update(t, s, func(tx *store.Tx) error { return tx.Doubt(e, At, "no answer") })
	if !awaits() {
		t.Error("no answer is awaited of a call in doubt")
	}
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.ConfirmEffect(e, "w", At),
			tx.AddStatus("w1", "sent", []byte("1"), At.Add(time.Second)),
			tx.AddForeignStatus("w2", "sent", []byte("2"), At),
			tx.AddForeignStatus("w2", "read", []byte("3"), At.Add(2*time.Second)),
			tx.AddForeignStatus("w2", "sent", []byte("repeated"), At.Add(3*time.Second)),
		)
	})
	if awaits() {
		t.Error("an answer is awaited that has come")
	}
	kept := func(limit int) (bodies []string) {
		view(t, s, func(tx *store.Tx) error {
			statuses, err := tx.KeptStatuses(limit)
			for _, status := range statuses {
				bodies = append(bodies, status.WAMID+" "+status.Status+" "+string(status.Body))
			}
			return err
		})
		return bodies
	}
	if diff := cmp.Diff([]string{"w2 read 3", "w1 sent 1", "w2 sent 2"}, kept(10)); diff != "" {
		t.Errorf("kept statuses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"w2 sent repeated", "w2 read 3"}, kept(2)); diff != "" {
		t.Errorf("the two newest (-want +got):\n%s", diff)
	}
	update(t, s, func(tx *store.Tx) error {
		taken, err := tx.TakeStatuses("w2")
		if len(taken) != 0 {
			t.Error("a status of another program's message was taken for one of the receiver's")
		}
		return err
	})
}

func conversations(t *testing.T, opener Opener) {
	want := conversation.State{
		ID: "c1", Epoch: 3, Open: true, LastMessageAt: At,
		Customer: conversation.Customer{UserID: "US.1", Name: "Zoë"},
		Outgoing: map[string]conversation.Outgoing{"r1": {Epoch: 3, QueuedAt: At, Parts: []conversation.Delivery{conversation.Sent}, Shown: conversation.Sent}},
	}
	s := opener(t)
	update(t, s, func(tx *store.Tx) error { return tx.SaveConversation(want, At) })
	closeStore(t, s)
	s = open(t, opener)
	view(t, s, func(tx *store.Tx) error {
		got, found, err := tx.Conversation("c1")
		if diff := cmp.Diff(want, got); !found || diff != "" {
			t.Errorf("the conversation changed (-want +got):\n%s", diff)
		}
		if _, found, _ := tx.Conversation("c2"); found {
			t.Error("a conversation was found that is not there")
		}
		return err
	})
}
