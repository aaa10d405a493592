package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/test/syncbuffer"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
)

func TestPostgresDurabilityByStandbys(t *testing.T) {
	safe := postgresSettings{fsync: "on", fullPageWrites: "on"}
	for name, tc := range map[string]struct {
		change func(*postgresSettings)
		want   bool
	}{
		"alone":                     {func(*postgresSettings) {}, true},
		"asynchronous standbys":     {func(s *postgresSettings) { s.standbys = 2 }, false},
		"synchronous standbys":      {func(s *postgresSettings) { s.standbys, s.standbyNames = 2, "ANY 1 (*)" }, true},
		"no standby is there now":   {func(s *postgresSettings) { s.standbyNames = "ANY 1 (*)" }, true},
		"synchronous, but no fsync": {func(s *postgresSettings) { s.standbyNames, s.fsync = "ANY 1 (*)", "off" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := safe
			tc.change(&s)
			if got := s.judge(); got.Durable != tc.want || got.Reason == "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// On a large table, a migration takes longer than anything else may.
func TestPostgresMigrationsMayTakeLong(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	server.Exec(
		`CREATE FUNCTION dawdle() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
			IF EXISTS (SELECT 1 FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'channel.inbox') THEN PERFORM pg_sleep(4); END IF;
		END $$`,
		`CREATE EVENT TRIGGER dawdle ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION dawdle()`,
	)
	// What is cut off is tried again, until this ends.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := OpenPostgres(ctx, PostgresOptions{
		DSN: func() (string, error) { return server.DSN(), nil }, Schema: "channel", patience: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// undoLatest takes back the latest migration, so that the next store that is opened has to apply it.
func undoLatest(t *testing.T, server *postgrestest.Server) {
	t.Helper()
	list, err := loadMigrations()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(list); n != 11 {
		t.Fatalf("migration %d is not taken back here", n)
	}
	server.Exec(
		`DROP INDEX channel.status_received, channel.record_received, channel.quarantine_received, channel.request_created`,
		`DELETE FROM channel.migration WHERE version = 11`,
	)
}

// A migration that waits for a table has whoever comes later wait behind it. So it gives up, and leaves the others to it.
func TestPostgresMigrationsDoNotKeepOthersWaiting(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	clock := clocktest.New(time.Unix(0, 0))
	log := &syncbuffer.Buffer{}
	o := PostgresOptions{
		DSN: func() (string, error) { return server.DSN(), nil }, Schema: "channel", Clock: clock, Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	first, err := OpenPostgres(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	undoLatest(t, server)
	writing, written := make(chan struct{}), make(chan struct{})
	var receivers sync.WaitGroup
	receivers.Go(func() {
		if err := first.Update(context.Background(), func(tx *Tx) error {
			_, err := tx.exec(`LOCK TABLE record IN ROW EXCLUSIVE MODE`)
			close(writing)
			<-written
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	<-writing
	receivers.Go(func() {
		second, err := OpenPostgres(context.Background(), o)
		if err != nil {
			t.Error(err)
			return
		}
		_ = second.Close()
	})
	// It waits for the clock, and no more for the table.
	clock.AwaitTimers(1)
	if !strings.Contains(log.String(), "other receivers use the tables") {
		t.Errorf("the log does not say why it waits: %s", log)
	}
	close(written)
	clock.Advance(openRetry)
	receivers.Wait()
}

func TestRebind(t *testing.T) {
	for query, want := range map[string]string{
		`SELECT 1`:                                 `SELECT 1`,
		`a = ? AND b = ?`:                          `a = $1 AND b = $2`,
		`a = '?' AND b = ? AND c = 'it''s?'`:       `a = '?' AND b = $1 AND c = 'it''s?'`,
		`VALUES (` + strings.Repeat(`?`, 10) + `)`: `VALUES ($1$2$3$4$5$6$7$8$9$10)`,
	} {
		if got := postgresDialect.rebind(query); got != want {
			t.Errorf("%s: %s", query, got)
		}
		if got := sqliteDialect.rebind(query); got != query {
			t.Errorf("SQLite's %s: %s", query, got)
		}
	}
}

func TestMigrationsAreTranslated(t *testing.T) {
	list, err := loadMigrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		for _, statement := range postgresDialect.statements(m.sql) {
			for _, word := range []string{"BLOB", "AUTOINCREMENT", "ROWID", "INTEGER", ";", "--"} {
				if strings.Contains(statement, word) {
					t.Errorf("migration %d: %q is left in %s", m.version, word, statement)
				}
			}
		}
	}
}

func TestPostgresErrorsOfTheServerAreNotTheStatements(t *testing.T) {
	for code, want := range map[string]bool{
		"57P01": true, "08006": true, "53300": true, "40001": true, "25006": true, "55P03": true, "XX000": true,
		"23505": false, "22021": false, "42P01": false,
	} {
		err := fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code})
		if got := errors.Is(judgePostgres(err, false), ErrUnavailable); got != want {
			t.Errorf("%s counts as the server's: %v", code, got)
		}
		if !errors.Is(judgePostgres(err, true), ErrUnavailable) {
			t.Errorf("%s on a lost connection is the statement's", code)
		}
	}
	if err := errors.New("a value cannot be scanned"); errors.Is(judgePostgres(err, false), ErrUnavailable) {
		t.Error("an error of this program is the server's")
	}
}

func TestARefusedWriteIsExplained(t *testing.T) {
	coded := func(code string) error { return unavailable(&pgconn.PgError{Code: code}) }
	for name, tc := range map[string]struct {
		err  error
		want refusalError
	}{
		"no synchronous standby":    {unavailable(context.DeadlineExceeded), errUnconfirmed},
		"a statement that hangs":    {coded("57014"), errUnconfirmed},
		"read-only":                 {coded("25006"), errReadOnly},
		"a connection to a standby": {unavailable(errStandby), errStandby},
		"the server ends":           {coded("57P01"), ""},
		"the way to the server":     {unavailable(io.ErrUnexpectedEOF), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := explain(tc.err); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
