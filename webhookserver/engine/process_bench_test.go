package engine_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// together is how many webhooks wait when the processor begins.
const together = 400

// BenchmarkProcess processes webhooks of which one in four is a message of a new customer, and the others are statuses of
// messages that the receiver did not send.
func BenchmarkProcess(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		opened, err := store.OpenSQLite(b.Context(), store.SQLiteOptions{Dir: b.TempDir()})
		benchmarkProcess(b, opened, err)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		database := postgrestest.Start(b, postgrestest.Options{})
		opened, err := store.OpenPostgres(b.Context(), store.PostgresOptions{
			DSN: func() (string, error) { return database.DSN(), nil }, Schema: "channel",
		})
		benchmarkProcess(b, opened, err)
	})
}

func benchmarkProcess(b *testing.B, opened store.Store, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	defer opened.Close()
	p := engine.NewProcessor(engine.Processor{
		Store: opened, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Processed: func() {},
		Channel: func() config.Channel { return config.Channel{PhoneNumber: &config.PhoneNumber{ID: "2"}} },
	})
	n := 0
	for b.Loop() {
		b.StopTimer()
		var group errgroup.Group
		for range together {
			n++
			body := sample(n)
			group.Go(func() error { return opened.Append(b.Context(), store.Webhook{ReceivedAt: time.Now(), Body: body}) })
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for more := true; more; {
			if more, err = p.Process(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*together)/b.Elapsed().Seconds(), "webhooks/s")
}

func sample(n int) []byte {
	of := fmt.Sprintf(`"statuses":[{"id":"wamid.%012d","status":"delivered","timestamp":"1793613600","recipient_id":"4915100000000"}]`, n)
	if n%4 == 0 {
		of = fmt.Sprintf(`"contacts":[{"profile":{"name":"Erika Mustermann"},"wa_id":"49151%08[1]d"}],
			"messages":[{"from":"49151%08[1]d","id":"wamid.%012[1]d","timestamp":"1793613600","type":"text","text":{"body":"Where is it?"}}]`, n)
	}
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{
		"metadata":{"display_phone_number":"16315551111","phone_number_id":"2"},` + of + `}}]}]}`)
}
