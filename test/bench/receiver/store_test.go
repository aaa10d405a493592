//go:build bench

package receiver

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/whatsapp-operator/whatsapp-operator/test/bench/load"
	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
)

// engine makes an empty store and says how the receiver is told of it: by a connection string, and by arguments.
type engine func(t *testing.T, dataDir string) (store database, dsn string, args []string)

// database calls each with the first column of every row of a query. It reads past the receiver, which has ended.
type database func(t *testing.T, query string, each func([]byte))

func embedded(_ *testing.T, dataDir string) (database, string, []string) {
	return func(t *testing.T, query string, each func([]byte)) {
		t.Helper()
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.Join(dataDir, "receiver.db")}).String())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var value sql.RawBytes
			if err := rows.Scan(&value); err != nil {
				t.Fatal(err)
			}
			each(value)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}, "", nil
}

// postgres returns an engine that makes a schema of its own for each store.
func postgres(server *postgrestest.Server) engine {
	n := 0
	return func(t *testing.T, _ string) (database, string, []string) {
		t.Helper()
		n++
		schema := fmt.Sprintf("bench_%d", n)
		t.Cleanup(func() { server.Exec("DROP SCHEMA " + schema + " CASCADE") })
		return func(t *testing.T, query string, each func([]byte)) {
			t.Helper()
			conn, err := pgx.Connect(t.Context(), server.DSN())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			if _, err := conn.Exec(t.Context(), "SET search_path = "+schema); err != nil {
				t.Fatal(err)
			}
			rows, err := conn.Query(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				each(rows.RawValues()[0])
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}, server.DSN(), []string{"--postgres-schema", schema}
	}
}

// everywhere is where a webhook can be that was acknowledged: taken up, waiting, or put aside for a person.
var everywhere = []string{
	`SELECT wamid FROM message`, `SELECT wamid FROM status`, `SELECT wamid FROM foreign_status`,
	`SELECT body FROM inbox`, `SELECT body FROM quarantine`, `SELECT body FROM record`,
}

// lost counts the webhooks that were acknowledged and are not there.
func (d database) lost(t *testing.T, acknowledged []int64) (lost int) {
	t.Helper()
	there := map[int64]struct{}{}
	for _, query := range everywhere {
		d(t, query, func(stored []byte) {
			if id, found := load.IDIn(stored); found {
				there[id] = struct{}{}
			}
		})
	}
	for _, id := range acknowledged {
		if _, found := there[id]; !found {
			lost++
		}
	}
	return lost
}

// rows counts the rows of a table.
func (d database) rows(t *testing.T, table string) (n int) {
	t.Helper()
	d(t, "SELECT 1 FROM "+table, func([]byte) { n++ })
	return n
}

func (d database) sizes(t *testing.T) string {
	t.Helper()
	var parts []string
	for _, table := range []string{"inbox", "message", "status", "foreign_status", "quarantine", "conversation", "effect", "article"} {
		parts = append(parts, fmt.Sprintf("%s %d", table, d.rows(t, table)))
	}
	return strings.Join(parts, ", ")
}
