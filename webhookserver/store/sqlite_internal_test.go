package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
)

func openDir(t *testing.T, dir string) *SQLite {
	t.Helper()
	s, err := OpenSQLite(context.Background(), SQLiteOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// SQLite's own error for a full disk, from a file that may not grow.
func TestSQLiteFailsForGoodWhenTheDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	if _, err := s.conn.ExecContext(t.Context(), `PRAGMA max_page_count = 40`); err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 4000)
	acknowledged := 0
	var err error
	for err == nil && acknowledged < 1000 {
		if err = s.Append(t.Context(), Webhook{Body: body}); err == nil {
			acknowledged++
		}
	}
	if err == nil || acknowledged == 0 {
		t.Fatalf("%d webhooks were acknowledged, then: %v", acknowledged, err)
	}
	select {
	case <-s.Failed():
	default:
		t.Error("the store does not say that it failed")
	}
	if !errors.Is(s.Err(), ErrVolumeFull) || !strings.Contains(s.Err().Error(), "enlarge the PersistentVolumeClaim") {
		t.Errorf("Err: %v", s.Err())
	}
	// A small row would fit, but nothing is tried again.
	if err := s.Append(t.Context(), Webhook{Body: []byte("small")}); err == nil {
		t.Error("a store that failed acknowledged a webhook")
	}
	if err := s.Update(t.Context(), func(*Tx) error { t.Error("a store that failed ran an update"); return nil }); err == nil {
		t.Error("a store that failed took an update")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openDir(t, dir)
	defer s.Close()
	if err := s.View(t.Context(), func(tx *Tx) error {
		list, err := tx.NextInbox(2000, 1<<30)
		if len(list) != acknowledged {
			t.Errorf("%d webhooks were acknowledged, %d are there", acknowledged, len(list))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// What SQLite calls damage is one only where the volume can be written: one that failed gives zeros for what it lost.
func TestDamageIsToldFromAVolumeThatFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, sqliteFile), bytes.Repeat([]byte("not a database. "), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	_, damage := OpenSQLite(t.Context(), SQLiteOptions{Dir: dir})
	if !errors.Is(damage, ErrDamaged) || errors.Is(damage, ErrVolumeFailed) {
		t.Errorf("on a volume that can be written: %v", damage)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "probe-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	var cause *sqlite.Error
	if !errors.As(damage, &cause) {
		t.Fatalf("no error of SQLite: %v", damage)
	}
	if err := advise(cause, filepath.Join(dir, "gone")); !errors.Is(err, ErrVolumeFailed) || errors.Is(err, ErrDamaged) {
		t.Errorf("on a volume that cannot be written: %v", err)
	}
}

func TestSQLiteRefusesNetworkFileSystems(t *testing.T) {
	for _, magic := range []int64{unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC} {
		if err := refuseFileSystem(magic); !errors.Is(err, ErrNetworkFileSystem) {
			t.Errorf("file system %#x: %v", magic, err)
		}
	}
	if err := refuseFileSystem(unix.EXT4_SUPER_MAGIC); err != nil {
		t.Error(err)
	}
}

func TestSQLiteReadsItsPragmasBack(t *testing.T) {
	s := openDir(t, t.TempDir())
	defer s.Close()
	saved := pragmas
	defer func() { pragmas = saved }()
	pragmas = append(pragmas[:len(pragmas):len(pragmas)], struct{ name, set, want string }{"synchronous", "FULL", "3"})
	if err := configure(t.Context(), sqlQuerier{s.conn}); err == nil || !strings.Contains(err.Error(), "synchronous") {
		t.Errorf("configure: %v", err)
	}
}

func TestSQLiteRefusesAStoreOfTheFuture(t *testing.T) {
	known, err := loadMigrations()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		version int
		want    error
	}{
		"the next version may be rolled back": {len(known) + 1, nil},
		"a later one may not":                 {len(known) + 2, ErrTooNew},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openDir(t, dir)
			if _, err := s.conn.ExecContext(t.Context(), `INSERT INTO migration (version) VALUES (?)`, tc.version); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := OpenSQLite(t.Context(), SQLiteOptions{Dir: dir})
			if !errors.Is(err, tc.want) {
				t.Fatalf("OpenSQLite: %v, want %v", err, tc.want)
			}
			if err == nil {
				_ = s.Close()
			}
		})
	}
}

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	if list, err := loadMigrations(); err != nil || len(list) == 0 {
		t.Errorf("%d migrations, %v", len(list), err)
	}
}

// Nobody else writes while old rows are removed, so finding them must not mean reading all that are there.
func TestOldRowsAreFoundByAnIndex(t *testing.T) {
	s := openDir(t, t.TempDir())
	defer s.Close()
	for _, a := range aged {
		if err := s.View(t.Context(), func(tx *Tx) error {
			steps, err := rows(tx, func(scan func(...any) error) (step string, err error) {
				var id, parent, unused int64
				err = scan(&id, &parent, &unused, &step)
				return step, err
			}, `EXPLAIN QUERY PLAN `+a.expiry(), 1, 1, 1)
			if plan := strings.Join(steps, "; "); len(steps) == 0 || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s: %s", a.table, plan)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}
