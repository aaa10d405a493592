package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func tickets(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	ticket := store.Ticket{
		Marker: "c1/1", Conversation: "c1", Epoch: 1, Group: "2nd Level", Title: "Zoë",
		Customer: conversation.Customer{Name: "Zoë"}, State: store.TicketOpen, CreatedAt: At, UpdatedAt: At,
	}
	article := store.Article{Marker: "w1", Author: conversation.AuthorCustomer, Type: "text", Text: "Hello", WrittenAt: At}
	for range 2 {
		update(t, s, func(tx *store.Tx) error {
			id, err := tx.AddTicket(ticket)
			if err != nil {
				return err
			}
			ticket.ID = id
			return errors.Join(
				tx.AddArticle(id, article, At.Add(time.Second)),
				tx.AddArticle(id, store.Article{Marker: "r1", Author: conversation.AuthorAgent, Text: "Hi", WrittenAt: At, Delivery: conversation.Queued}, At.Add(time.Second)),
			)
		})
	}
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.SetDelivery(conversation.SetDelivery{ArticleID: "r1", Delivery: conversation.Failed, Reason: "why", At: At}),
			tx.SetTicketState(ticket.ID, store.TicketClosed, At.Add(time.Minute)),
		)
	})
	ticket.State, ticket.UpdatedAt = store.TicketClosed, At.Add(time.Minute)
	view(t, s, func(tx *store.Tx) error {
		got, _, err := tx.Ticket(ticket.ID)
		if diff := cmp.Diff(ticket, got); diff != "" {
			t.Errorf("ticket (-want +got):\n%s", diff)
		}
		all, err2 := tx.Tickets("", 1<<62, 10)
		if diff := cmp.Diff([]store.Ticket{ticket}, all); diff != "" {
			t.Errorf("tickets (-want +got):\n%s", diff)
		}
		none, err3 := tx.Tickets(store.TicketOpen, 1<<62, 10)
		if len(none) != 0 {
			t.Error("a closed ticket is among the open ones")
		}
		articles, err4 := tx.Articles(ticket.ID)
		if len(articles) != 2 || articles[0].Text != "Hello" || articles[1].Delivery != conversation.Failed || articles[1].DeliveryReason != "why" {
			t.Errorf("articles: %+v", articles)
		}
		there, err5 := tx.HasArticle("w1")
		absent, err6 := tx.HasArticle("w2")
		if !there || absent {
			t.Errorf("articles by marker: %v, %v", there, absent)
		}
		return errors.Join(err, err2, err3, err4, err5, err6)
	})
}

func requests(t *testing.T, opener Opener) {
	s := open(t, opener)
	for i, try := range []struct {
		fingerprint, result, wantFingerprint, wantResult string
		fresh                                            bool
	}{
		{"f", "r", "f", "r", true},
		{"f", "other", "f", "r", false},
		{"g", "other", "f", "r", false},
	} {
		update(t, s, func(tx *store.Tx) error {
			fingerprint, result, fresh, err := tx.RememberRequest("key", try.fingerprint, try.result, At)
			if fingerprint != try.wantFingerprint || result != try.wantResult || fresh != try.fresh {
				t.Errorf("request %d: %q %q %v", i, fingerprint, result, fresh)
			}
			return err
		})
	}
}

func claim(t *testing.T, opener Opener) {
	s := opener(t)
	update(t, s, func(tx *store.Tx) error { return tx.Claim("waba", "") })
	update(t, s, func(tx *store.Tx) error { return tx.Claim("waba", "number") })
	closeStore(t, s)
	s = open(t, opener)
	update(t, s, func(tx *store.Tx) error { return tx.Claim("waba", "number") })
	for _, other := range [][2]string{{"other", "number"}, {"waba", "other"}} {
		if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.Claim(other[0], other[1]) }); !errors.Is(err, store.ErrForeign) {
			t.Errorf("Claim(%q): %v", other, err)
		}
	}
}

func quarantine(t *testing.T, opener Opener) {
	s := open(t, opener)
	want := store.Quarantined{ID: 1, ReceivedAt: At, Reason: store.NotUnderstood, Detail: "d", Body: []byte("b")}
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.Quarantine(want), tx.Quarantine(store.Quarantined{ReceivedAt: At, Reason: store.OtherNumber}))
	})
	view(t, s, func(tx *store.Tx) error {
		list, err := tx.Quarantined(0, 1)
		if diff := cmp.Diff([]store.Quarantined{want}, list); diff != "" {
			t.Errorf("first page (-want +got):\n%s", diff)
		}
		rest, err2 := tx.Quarantined(list[0].ID, 10)
		if len(rest) != 1 || rest[0].Reason != store.OtherNumber {
			t.Errorf("second page: %+v", rest)
		}
		return errors.Join(err, err2)
	})
}

func counts(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	view(t, s, func(tx *store.Tx) error {
		c, err := tx.Counts()
		if c.Backlog != 0 || !c.LastMessageAt.IsZero() || len(c.Effects) != 0 {
			t.Errorf("an empty store counts %+v", c)
		}
		return err
	})
	if err := s.Append(t.Context(), store.Webhook{ReceivedAt: At, Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	add(t, s, "c1", effect("1", conversation.KindSendText), effect("2", conversation.KindSendText), effect("3", conversation.KindOpenTicket))
	finish(t, s, "1", store.EffectDead)
	finish(t, s, "2", store.EffectDone)
	update(t, s, func(tx *store.Tx) error {
		err := tx.AddMessage(store.Message{WAMID: "w", Conversation: "c1", SentAt: At, ReceivedAt: At.Add(time.Minute)})
		return errors.Join(err, tx.Quarantine(store.Quarantined{ReceivedAt: At, Reason: store.OtherNumber}),
			// Another replica may be late with an earlier one.
			tx.NoteHandshake(At), tx.NoteHandshake(At.Add(-time.Hour)))
	})
	view(t, s, func(tx *store.Tx) error {
		c, err := tx.Counts()
		want := store.Counts{
			Backlog:       1,
			Quarantined:   map[store.QuarantineReason]int64{store.OtherNumber: 1},
			Effects:       map[store.EffectState]int64{store.EffectReady: 1, store.EffectDead: 1},
			LastMessageAt: At.Add(time.Minute), LastHandshakeAt: At,
		}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
		return err
	})
}

func oddText(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	update(t, s, func(tx *store.Tx) error {
		id, err := tx.AddTicket(store.Ticket{Marker: "m\x00", Conversation: "c1", Title: "a\x00b\xffc Zoë 😀", State: store.TicketOpen, CreatedAt: At})
		if err != nil {
			return err
		}
		return tx.AddArticle(id, store.Article{Marker: "w\x00", Text: "one\x00two", WrittenAt: At}, At)
	})
	view(t, s, func(tx *store.Tx) error {
		got, found, err := tx.TicketByMarker("m\x00")
		if !found || !strings.HasPrefix(got.Title, "a") || !strings.HasSuffix(got.Title, "c Zoë 😀") {
			t.Errorf("the ticket: %+v, found %v", got, found)
		}
		a, found, err2 := tx.Article("w\x00")
		if !found || !strings.HasPrefix(a.Text, "one") || !strings.HasSuffix(a.Text, "two") {
			t.Errorf("the article: %+v, found %v", a, found)
		}
		return errors.Join(err, err2)
	})
}

func backlog(t *testing.T, opener Opener) {
	s := open(t, opener)
	check := func(most int64, want bool) {
		t.Helper()
		view(t, s, func(tx *store.Tx) error {
			above, err := tx.BacklogAbove(most)
			if above != want {
				t.Errorf("more than %d wait: %v", most, above)
			}
			return err
		})
	}
	check(0, false)
	for range 5 {
		if err := s.Append(t.Context(), store.Webhook{ReceivedAt: At}); err != nil {
			t.Fatal(err)
		}
	}
	check(4, true)
	check(5, false)
	// A gap in the numbers is nothing that waits.
	update(t, s, func(tx *store.Tx) error { return tx.RemoveInbox(3) })
	check(3, true)
	check(4, false)
}
