package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store/storetest"
)

func openPostgres(t *testing.T, server *postgrestest.Server, schema string) *store.Postgres {
	t.Helper()
	s, err := store.OpenPostgres(context.Background(), store.PostgresOptions{
		DSN: func() (string, error) { return server.DSN(), nil }, Schema: schema,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPostgresConforms(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	var schemas atomic.Int32
	storetest.Run(t, func(*testing.T) storetest.Opener {
		schema := fmt.Sprintf("channel_%d", schemas.Add(1))
		return func(t *testing.T) store.Store { return openPostgres(t, server, schema) }
	})
}
