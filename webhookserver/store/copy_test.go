package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store/storetest"
)

// fill makes an embedded store with something of everything that a receiver writes.
func fill(t *testing.T, dir string) {
	t.Helper()
	s := openSQLite(t, dir)
	defer s.Close()
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.Claim("account", "number"); err != nil {
			return err
		}
		for i := range 1200 {
			id := fmt.Sprintf("c%04d", i)
			if err := errors.Join(
				tx.SaveConversation(conversation.State{ID: id, Epoch: 1, Customer: conversation.Customer{UserID: "US." + id, Name: "Zoë\x00😀"}}, storetest.At),
				tx.AddEffects(id, []conversation.Effect{{Key: id + "/k", Kind: conversation.KindSendText}}, storetest.At),
			); err != nil {
				return err
			}
		}
		ticket, err := tx.AddTicket(store.Ticket{Marker: "t", Conversation: "c0000", Title: "Zoë\x00😀", State: store.TicketOpen, CreatedAt: storetest.At})
		if err != nil {
			return err
		}
		err = tx.AddMessage(store.Message{WAMID: "w", Conversation: "c0000", SentAt: storetest.At, ReceivedAt: storetest.At, Body: []byte{0, 1, 0xff}})
		_, _, _, err2 := tx.RememberRequest("key", "f", "r", storetest.At)
		return errors.Join(err, err2,
			tx.AddArticle(ticket, store.Article{Marker: "a", Text: "one\x00two", WrittenAt: storetest.At}, storetest.At),
			tx.AddStatus("w2", "sent", []byte("{}"), storetest.At),
			tx.AddForeignStatus("w3", "sent", []byte("{}"), storetest.At),
			tx.AddRecord(store.Record{ReceivedAt: storetest.At, Field: "f", Body: []byte("x")}),
			tx.Quarantine(store.Quarantined{ReceivedAt: storetest.At, Reason: store.NotUnderstood, Detail: "d", Body: []byte("b")}),
		)
	}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"first", "second"} {
		if err := s.Append(t.Context(), store.Webhook{ReceivedAt: storetest.At, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	// The last number was given out and must not be given out again.
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.RemoveInbox(2) }); err != nil {
		t.Fatal(err)
	}
}

func copyTo(ctx context.Context, server *postgrestest.Server, dir, schema string, log io.Writer) error {
	return store.CopyToPostgres(ctx, dir, store.PostgresOptions{
		DSN: func() (string, error) { return server.DSN(), nil }, Schema: schema, Log: slog.New(slog.NewTextHandler(log, nil)),
	}, nil)
}

// interrupter ends a copy after some tables.
type interrupter struct {
	after  int
	cancel func()
}

func (i *interrupter) Write(p []byte) (int, error) {
	if i.after--; i.after == 0 {
		i.cancel()
	}
	return len(p), nil
}

func TestCopyToPostgres(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	server := postgrestest.Start(t, postgrestest.Options{})
	t.Run("goes on where it was interrupted", func(t *testing.T) { copyGoesOn(t, server, dir) })
	t.Run("sees a difference", func(t *testing.T) { copySeesADifference(t, server, dir) })
	t.Run("refuses what is in use", func(t *testing.T) { copyRefusesWhatIsInUse(t, server) })
}

func copyGoesOn(t *testing.T, server *postgrestest.Server, dir string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if err := copyTo(ctx, server, dir, "channel", &interrupter{after: 3, cancel: cancel}); err == nil {
		t.Fatal("the copy was not interrupted")
	}
	if _, err := tryPostgres(server, "channel"); !errors.Is(err, store.ErrUnfinishedCopy) {
		t.Errorf("a receiver on half a copy: %v", err)
	}
	if err := copyTo(t.Context(), server, dir, "channel", io.Discard); err != nil {
		t.Fatalf("going on with the copy: %v", err)
	}
	s := openPostgres(t, server, "channel")
	defer s.Close()
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.Claim("account", "number") }); err != nil {
		t.Error(err)
	}
	if err := s.Append(t.Context(), store.Webhook{Body: []byte("third")}); err != nil {
		t.Error(err)
	}
	if err := s.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.NextInbox(10, 1<<30)
		if len(list) != 2 || string(list[0].Body) != "first" || list[1].Seq != 3 {
			t.Errorf("inbox: %+v", list)
		}
		_, last, err2 := tx.Conversation("c1199")
		e, found, err3 := tx.EffectByKey("c1199/k")
		m, _, err4 := tx.Message("w")
		if !last || !found || e.Conversation != "c1199" || string(m.Body) != "\x00\x01\xff" {
			t.Errorf("conversation %v, effect %+v, message %+v", last, e, m)
		}
		return errors.Join(err, err2, err3, err4)
	}); err != nil {
		t.Error(err)
	}
	copyEndsTwice(t, server, dir, s)
}

// copyEndsTwice calls for a copy that is finished: whoever was interrupted at the very end is told that it is, and not that the
// schema is in the way.
func copyEndsTwice(t *testing.T, server *postgrestest.Server, dir string, copied *store.Postgres) {
	t.Helper()
	if err := copyTo(t.Context(), server, dir, "channel", io.Discard); err != nil {
		t.Errorf("again, with nothing left to do: %v", err)
	}
	if err := copied.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.NextInbox(10, 1<<30)
		if len(list) != 2 {
			t.Errorf("what the receiver wrote after the copy: %+v", list)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	// What came to the volume afterwards is not in the copy.
	original := openSQLite(t, dir)
	if err := errors.Join(original.Append(t.Context(), store.Webhook{Body: []byte("late")}), original.Close()); err != nil {
		t.Fatal(err)
	}
	if err := copyTo(t.Context(), server, dir, "channel", io.Discard); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("into a schema that is in use: %v", err)
	}
}

func copySeesADifference(t *testing.T, server *postgrestest.Server, dir string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	_ = copyTo(ctx, server, dir, "spoilt", &interrupter{after: 4, cancel: cancel})
	server.Exec(`UPDATE spoilt.conversation SET updated_at = updated_at + 1 WHERE id = 'c0007'`)
	if err := copyTo(t.Context(), server, dir, "spoilt", io.Discard); !errors.Is(err, store.ErrDiffers) {
		t.Errorf("a copy that differs: %v", err)
	}
	if _, err := tryPostgres(server, "spoilt"); !errors.Is(err, store.ErrUnfinishedCopy) {
		t.Errorf("a receiver on a copy that differs: %v", err)
	}
}

func copyRefusesWhatIsInUse(t *testing.T, server *postgrestest.Server) {
	t.Helper()
	dir := t.TempDir()
	s := openSQLite(t, dir)
	defer s.Close()
	if err := copyTo(t.Context(), server, dir, "unused", io.Discard); !errors.Is(err, store.ErrInUse) {
		t.Errorf("the store of a running receiver: %v", err)
	}
	if err := copyTo(t.Context(), server, t.TempDir(), "unused", io.Discard); !errors.Is(err, store.ErrNoStore) {
		t.Errorf("a directory without a store: %v", err)
	}
}
