package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
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
		"57P01": true, "08006": true, "53300": true, "40001": true, "25006": true, "XX000": true,
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
