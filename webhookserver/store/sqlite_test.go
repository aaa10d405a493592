package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store/storetest"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

func openSQLite(t *testing.T, dir string) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSQLiteConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		t.Helper()
		dir := t.TempDir()
		return func(t *testing.T) store.Store {
			t.Helper()
			return openSQLite(t, dir)
		}
	})
}

// A copy of the files of a store that is still open is what a power cut leaves behind.
func copyFiles(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"receiver.db", "receiver.db-wal"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestSQLiteKeepsWhatItAcknowledgedAfterACrash(t *testing.T) {
	dir := t.TempDir()
	s := openSQLite(t, dir)
	defer s.Close()
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(
			tx.SaveConversation(conversation.State{ID: "c1"}, storetest.At),
			tx.AddEffects("c1", []conversation.Effect{{Key: "k", Kind: conversation.KindSendText}}, storetest.At),
		)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), store.Webhook{ReceivedAt: storetest.At, Body: []byte("acknowledged")}); err != nil {
		t.Fatal(err)
	}
	after := openSQLite(t, copyFiles(t, dir))
	defer after.Close()
	if err := after.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.NextInbox(10, 1<<30)
		if len(list) != 1 || string(list[0].Body) != "acknowledged" {
			t.Errorf("inbox after the crash: %+v", list)
		}
		_, found, err2 := tx.EffectByKey("k")
		if !found {
			t.Error("the effect is gone")
		}
		return errors.Join(err, err2)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestSQLiteWaitsForTheProcessBeforeIt(t *testing.T) {
	dir := t.TempDir()
	first := openSQLite(t, dir)
	clock := clocktest.New(storetest.At)
	opened := make(chan *store.SQLite)
	go func() {
		s, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: dir, Clock: clock})
		if err != nil {
			t.Error(err)
		}
		opened <- s
	}()
	for range 3 {
		clock.AwaitTimers(1)
		select {
		case <-opened:
			t.Fatal("two processes have the store open")
		default:
		}
		clock.Advance(time.Second)
	}
	clock.AwaitTimers(1)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	if err := (<-opened).Close(); err != nil {
		t.Fatal(err)
	}
}

// Who has the file open knows that whoever called, or looked after a call, has ended.
func TestSQLiteEndsTheLeasesOfTheProcessBefore(t *testing.T) {
	dir, at := t.TempDir(), storetest.At
	in := func(fn func(*store.Tx) error) {
		t.Helper()
		s := openSQLite(t, dir)
		defer s.Close()
		if err := s.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	in(func(tx *store.Tx) error {
		return errors.Join(tx.SaveConversation(conversation.State{ID: "c"}, at), tx.AddEffects("c", []conversation.Effect{{
			Key: "file", Kind: conversation.KindFetchMedia,
		}}, at))
	})
	in(func(tx *store.Tx) error {
		e, _, err := tx.EffectByKey("file")
		if err == nil {
			_, err = tx.BeginCall(e, at, at.Add(time.Hour))
		}
		return err
	})
	for _, step := range []string{"called", "looked after"} {
		in(func(tx *store.Tx) error {
			if _, err := tx.DoubtInFlight(at, time.Minute); err != nil {
				return err
			}
			due, err := tx.DueEffects(at, 10, conversation.Media)
			if err != nil || len(due) != 1 {
				return fmt.Errorf("%s, then opened by another process: due %v, %w", step, due, err)
			}
			_, err = tx.BeginLook(due[0], at.Add(time.Hour))
			return err
		})
	}
}

func TestSQLiteStopsWaitingWhenTold(t *testing.T) {
	dir := t.TempDir()
	first := openSQLite(t, dir)
	defer first.Close()
	ctx, cancel := context.WithCancel(t.Context())
	clock := clocktest.New(storetest.At)
	go func() { clock.AwaitTimers(1); cancel() }()
	if _, err := store.OpenSQLite(ctx, store.SQLiteOptions{Dir: dir, Clock: clock}); !errors.Is(err, context.Canceled) {
		t.Errorf("OpenSQLite: %v", err)
	}
}

func TestSQLiteFilesAreForTheOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	s := openSQLite(t, dir)
	defer s.Close()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
}

func TestSQLiteNamesAMissingDirectory(t *testing.T) {
	if _, err := store.OpenSQLite(t.Context(), store.SQLiteOptions{Dir: filepath.Join(t.TempDir(), "absent")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenSQLite: %v", err)
	}
}
