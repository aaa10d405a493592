package crash

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Engine prepares the database of one run, and returns how each process opens it.
type Engine func(tb testing.TB, dir string) func(context.Context) (store.Store, error)

// SQLite keeps a run's data in its directory.
func SQLite(_ testing.TB, dir string) func(context.Context) (store.Store, error) {
	return func(ctx context.Context) (store.Store, error) {
		return store.OpenSQLite(ctx, store.SQLiteOptions{Dir: dir})
	}
}

// Postgres keeps the data of each run in a schema of its own on one server. Nothing dies here but the receiver, so the
// server need not write through to the disk.
func Postgres(tb testing.TB) Engine {
	tb.Helper()
	server := postgrestest.Start(tb, postgrestest.Options{Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "max_connections": "300", "autovacuum": "off", "jit": "off",
	}})
	var runs atomic.Int64
	return func(testing.TB, string) func(context.Context) (store.Store, error) {
		schema := fmt.Sprintf("run_%d", runs.Add(1))
		return func(ctx context.Context) (store.Store, error) {
			return store.OpenPostgres(ctx, store.PostgresOptions{
				Schema: schema, DSN: func() (string, error) { return server.DSN(), nil },
			})
		}
	}
}
