package media_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	id    = "0123456789abcdef0123456789abcdef"
	other = "ffffffffffffffffffffffffffffffff"
	hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	// large takes some pieces of a table, the last one not full.
	large = 700_000
)

// keepers returns what keeps files, one of each kind.
func keepers(t *testing.T) map[string]media.Files {
	t.Helper()
	dir, err := media.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := postgrestest.Start(t, postgrestest.Options{})
	postgres, err := store.OpenPostgres(t.Context(), store.PostgresOptions{
		DSN: func() (string, error) { return server.DSN(), nil }, Schema: "channel",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = postgres.Close() })
	return map[string]media.Files{"volume": dir, "SQLite": openTable(t, clock.System{}), "PostgreSQL": &media.Table{Store: postgres, Clock: clock.System{}}}
}

// openTable opens a table in an embedded store, where it works as it does in PostgreSQL.
func openTable(t *testing.T, c clock.Clock) *media.Table {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), store.SQLiteOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &media.Table{Store: s, Clock: c}
}

func TestFilesConform(t *testing.T) {
	all := keepers(t)
	for name, test := range map[string]func(*testing.T, media.Files){
		"A file is there whole or not at all": wholeOrNotAtAll,
		"Large files are read as written":     largeFiles,
		"IDs are no paths":                    noPaths,
		"A file is replaced":                  replaced,
		"Files are written side by side":      sideBySide,
		"What is dropped does not appear":     dropped,
	} {
		for kind, files := range all {
			t.Run(name+"/"+kind, func(t *testing.T) { test(t, files) })
		}
	}
}

func draft(t *testing.T, files media.Files, content string) media.Draft {
	t.Helper()
	f, err := files.Draft(context.Background())
	if err == nil {
		_, err = io.WriteString(f, content)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func keep(t *testing.T, files media.Files, id, content string) {
	t.Helper()
	if err := draft(t, files, content).Keep(id); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, files, id) })
}

func remove(t *testing.T, files media.Files, id string) {
	t.Helper()
	if err := files.Remove(context.Background(), id); err != nil {
		t.Errorf("remove: %v", err)
	}
}

func content(t *testing.T, files media.Files, id string) string {
	t.Helper()
	file, err := files.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func random(size int) string {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return string(data)
}

func wholeOrNotAtAll(t *testing.T, files media.Files) {
	t.Helper()
	f := draft(t, files, "hello")
	if _, err := files.Open(t.Context(), id); !errors.Is(err, media.ErrNoFile) {
		t.Errorf("while it is written: %v", err)
	}
	if f.Size() != 5 || f.SHA256() != hello {
		t.Errorf("draft: %d, %s", f.Size(), f.SHA256())
	}
	if err := f.Keep(id); err != nil {
		t.Fatal(err)
	}
	f.Discard()
	if size, sum, err := files.Look(t.Context(), id); size != 5 || sum != hello || err != nil {
		t.Errorf("kept: %d, %s, %v", size, sum, err)
	}
	for at, want := range map[time.Time][]string{time.Now().Add(-time.Hour): nil, time.Now().Add(time.Hour): {id}} {
		if got, err := files.Before(t.Context(), at); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("kept before %v: %v, %v", at, got, err)
		}
	}
	remove(t, files, id)
	remove(t, files, id)
	if _, _, err := files.Look(t.Context(), id); !errors.Is(err, media.ErrNoFile) {
		t.Errorf("removed: %v", err)
	}
}

func largeFiles(t *testing.T, files media.Files) {
	t.Helper()
	for _, size := range []int{0, 256 << 10, 256<<10 + 1, large} {
		want := random(size)
		keep(t, files, id, want)
		file, err := files.Open(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		// It looks at seeking, reading in odd steps and the end.
		if err := iotest.TestReader(file, []byte(want)); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		_ = file.Close()
		sum := sha256.Sum256([]byte(want))
		if n, got, err := files.Look(t.Context(), id); n != int64(size) || got != hex.EncodeToString(sum[:]) || err != nil {
			t.Errorf("%d bytes: %d, %s, %v", size, n, got, err)
		}
	}
}

func noPaths(t *testing.T, files media.Files) {
	t.Helper()
	for _, bad := range []string{"../../../../../../etc/passwd", "", ".", "draft-1", id + "0", "0123456789ABCDEF0123456789ABCDEF"} {
		f := draft(t, files, "x")
		if err := f.Keep(bad); err == nil {
			t.Errorf("%q was kept", bad)
		}
		f.Discard()
		if _, err := files.Open(t.Context(), bad); !errors.Is(err, media.ErrNoFile) {
			t.Errorf("open %q: %v", bad, err)
		}
		remove(t, files, bad)
	}
}

func replaced(t *testing.T, files media.Files) {
	t.Helper()
	// The same once more, as after an answer that was lost, and then another.
	for _, want := range []string{"hello", "hello", random(large)} {
		keep(t, files, id, want)
		if got := content(t, files, id); got != want {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
	}
	keep(t, files, other, "beside it")
	remove(t, files, id)
	if got := content(t, files, other); got != "beside it" {
		t.Errorf("the file beside it: %q", got)
	}
}

func sideBySide(t *testing.T, files media.Files) {
	t.Helper()
	var group sync.WaitGroup
	ids := []string{id, other, "00000000000000000000000000000000"}
	for i, id := range ids {
		group.Go(func() {
			f, err := files.Draft(context.Background())
			for range 5 {
				if err == nil {
					_, err = f.Write(bytes.Repeat([]byte{byte('a' + i)}, large/5))
				}
			}
			if err == nil {
				err = f.Keep(id)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i, id := range ids {
		if got := content(t, files, id); got != string(bytes.Repeat([]byte{byte('a' + i)}, large)) {
			t.Errorf("file %d has %d bytes, or those of another", i, len(got))
		}
		remove(t, files, id)
	}
}

func dropped(t *testing.T, files media.Files) {
	t.Helper()
	draft(t, files, random(large)).Discard()
	draft(t, files, "").Discard()
	if err := files.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if ids, err := files.Before(t.Context(), time.Now().Add(time.Hour)); err != nil || len(ids) != 0 {
		t.Errorf("there are %v, %v", ids, err)
	}
}

func TestCopy(t *testing.T) {
	from, err := media.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	to := openTable(t, clock.System{})
	want := map[string]string{id: random(large), other: "hello"}
	for id, text := range want {
		keep(t, from, id, text)
	}
	// A copy of another content is not taken for the file.
	keep(t, to, other, "hellO")
	for range 2 {
		if n, err := media.Copy(t.Context(), from, to); n != len(want) || err != nil {
			t.Fatalf("%d files, %v", n, err)
		}
	}
	for id, text := range want {
		if content(t, to, id) != text {
			t.Errorf("%s differs", id)
		}
	}
}

func TestCopySeesADifference(t *testing.T) {
	from, to := openTable(t, clock.System{}), openTable(t, clock.System{})
	keep(t, from, id, random(large))
	if _, err := media.Copy(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	// One piece is spoilt; its length and what the table says of the file stay the same.
	if err := to.Store.Update(t.Context(), func(tx *store.Tx) error {
		f, _, err := tx.File(id)
		if err != nil {
			return err
		}
		number, err := tx.BeginFile(f.PieceSize, time.Now())
		for position, size := int64(0), f.Size; size > 0 && err == nil; position, size = position+1, size-f.PieceSize {
			err = tx.AddPiece(number, position, make([]byte, min(size, f.PieceSize)), time.Now())
		}
		f.Number = number
		return errors.Join(err, tx.UnnameFile(id), tx.NameFile(id, f, time.Now()))
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := media.Copy(t.Context(), from, to); err == nil {
		t.Error("a copy that differs passed")
	}
	if _, err := media.Copy(t.Context(), from, to); err != nil {
		t.Errorf("and again: %v", err)
	}
}
