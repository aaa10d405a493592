package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // The driver.

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

const (
	// sqliteFile and sqliteLock are the names below the data directory.
	sqliteFile = "receiver.db"
	sqliteLock = "receiver.lock"
	// readers is how many snapshots can be read at once.
	readers = 4
)

// SQLiteOptions say where the embedded store is.
type SQLiteOptions struct {
	// Dir is the directory that holds the database. It must exist and be on a local or block volume.
	Dir string
	// Clock and Log default to the system's clock and to nothing.
	Clock clock.Clock
	Log   *slog.Logger

	// inUse, if set, is called when another process has the store open.
	inUse func()
}

// SQLite is the embedded store: one file, one process, one writer.
type SQLite struct {
	dir     string
	lock    *os.File
	db      *sql.DB
	conn    *sql.Conn
	readers *sql.DB
	writer  *sqliteWriter
	// committer has one worker, because the file has one writer.
	committer *committer

	failOnce sync.Once
	failed   chan struct{}
	err      error
}

// OpenSQLite opens the embedded store, and waits for as long as another process has it open. The error is ErrForeign,
// ErrTooNew, ErrNetworkFileSystem, ErrVolumeFull, ErrVolumeFailed, ErrDamaged, or another of the file system.
func OpenSQLite(ctx context.Context, o SQLiteOptions) (*SQLite, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := refuseNetworkFileSystem(o.Dir); err != nil {
		return nil, err
	}
	lock, err := lockFile(ctx, filepath.Join(o.Dir, sqliteLock), o)
	if err != nil {
		return nil, advise(err, o.Dir)
	}
	s := &SQLite{dir: o.Dir, lock: lock, failed: make(chan struct{})}
	if err := s.open(ctx, filepath.Join(o.Dir, sqliteFile), o.Clock); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", advise(err, s.dir)), s.release())
	}
	s.committer = newCommitter(1, s.commit)
	return s, nil
}

func (s *SQLite) open(ctx context.Context, name string, c clock.Clock) error {
	// SQLite would create the file readable for others.
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	location := (&url.URL{Scheme: "file", Path: name}).String()
	if s.db, err = sql.Open("sqlite", location); err != nil {
		return err
	}
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	if err := configure(ctx, sqlQuerier{s.conn}); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.writer = &sqliteWriter{conn: s.conn, statements: map[string]*sql.Stmt{}, clock: c}
	if s.readers, err = sql.Open("sqlite", location+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)&_pragma=cache_size(-1024)&_pragma=temp_store(memory)"); err != nil {
		return err
	}
	s.readers.SetMaxOpenConns(readers)
	s.readers.SetMaxIdleConns(readers)
	return s.readers.PingContext(ctx)
}

// migrate brings the file up to date, all or nothing.
func (s *SQLite) migrate(ctx context.Context) error {
	q := sqlQuerier{s.conn}
	if _, err := q.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := migrate(ctx, q, sqliteDialect)
	if err == nil {
		// The lock tells that whoever made calls from this file has ended.
		err = (&Tx{ctx: ctx, q: q}).endLeases()
	}
	if err != nil {
		_, rollback := q.exec(ctx, `ROLLBACK`)
		return errors.Join(err, rollback)
	}
	_, err = q.exec(ctx, `COMMIT`)
	return err
}

// pragmas make a commit survive a power cut and keep memory bounded. Each is read back, because SQLite ignores what
// it does not know or cannot do.
var pragmas = []struct{ name, set, want string }{
	// First, because what comes next may have to wait for a connection of the process before, which is being closed.
	{"busy_timeout", "5000", "5000"},
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "FULL", "2"},
	{"locking_mode", "NORMAL", "normal"},
	{"foreign_keys", "ON", "1"},
	{"wal_autocheckpoint", "4000", "4000"},
	{"journal_size_limit", "67108864", "67108864"},
	{"cache_size", "-8192", "-8192"},
	// The receiver's root file system is read-only and has no /tmp, so a statement that needs a temporary file would fail.
	{"temp_store", "MEMORY", "2"},
}

func configure(ctx context.Context, q querier) error {
	tx := &Tx{ctx: ctx, q: q}
	for _, p := range pragmas {
		// Some pragmas answer a setting with a row, others do not, so it is asked for again.
		var got string
		if _, err := tx.row(`PRAGMA `+p.name+` = `+p.set, nil, &got); err != nil {
			return err
		}
		if _, err := tx.row(`PRAGMA `+p.name, nil, &got); err != nil {
			return err
		}
		if got != p.want {
			return fmt.Errorf("SQLite did not accept %s = %s and has %s", p.name, p.set, got)
		}
	}
	return nil
}

// Append implements Store.
func (s *SQLite) Append(ctx context.Context, w Webhook) error {
	return s.committer.write(ctx, &write{webhook: w})
}

// Update implements Store.
func (s *SQLite) Update(ctx context.Context, fn func(*Tx) error) error {
	return s.committer.write(ctx, &write{fn: fn})
}

// View implements Store.
func (s *SQLite) View(ctx context.Context, fn func(*Tx) error) error {
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		if fatal(err) {
			s.fail(err)
		}
		return err
	}
	err = fn(&Tx{ctx: ctx, q: sqlQuerier{tx}})
	if fatal(err) {
		s.fail(err)
	}
	// There is nothing to commit.
	return errors.Join(err, tx.Rollback())
}

// Failed implements Store.
func (s *SQLite) Failed() <-chan struct{} { return s.failed }

// Err implements Store.
func (s *SQLite) Err() error {
	select {
	case <-s.failed:
		return s.err
	default:
		return nil
	}
}

func (s *SQLite) fail(err error) {
	s.failOnce.Do(func() {
		s.err = fmt.Errorf("the store failed and has to be opened anew: %w", advise(err, s.dir))
		close(s.failed)
	})
}

// Poll implements Store. The lock keeps other processes out.
func (s *SQLite) Poll() time.Duration { return 0 }

// Durability implements Store. The settings were read back when the file was opened, and nobody else can change them.
func (s *SQLite) Durability(context.Context) (Durability, error) {
	return Durability{Durable: true, Reason: "Every webhook is synced to the volume before it is acknowledged."}, s.Err()
}

// Refusal implements Store. A write that fails is the end of the process.
func (s *SQLite) Refusal(context.Context) (string, error) { return "", s.Err() }

// Close implements Store.
func (s *SQLite) Close() error {
	if !s.committer.close() {
		return nil
	}
	return s.release()
}

func (s *SQLite) release() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
