package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store/storetest"
)

func tryPostgres(server *postgrestest.Server, schema string) (*store.Postgres, error) {
	return store.OpenPostgres(context.Background(), store.PostgresOptions{
		DSN: func() (string, error) { return server.DSN(), nil }, Schema: schema,
	})
}

func openPostgres(t *testing.T, server *postgrestest.Server, schema string) *store.Postgres {
	t.Helper()
	s, err := tryPostgres(server, schema)
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
		return func(t *testing.T) store.Store {
			t.Helper()
			return openPostgres(t, server, schema)
		}
	})
}

// bodies returns what is in the inbox.
func bodies(t *testing.T, s store.Store) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	if err := s.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.NextInbox(1_000_000, 1<<30)
		for _, row := range list {
			found[string(row.Body)] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPostgresKeepsWhatItAcknowledgedWhenTheServerCrashes(t *testing.T) {
	// The server is not told to wait for the disk, so that it would lose what the store does not insist on.
	server := postgrestest.Start(t, postgrestest.Options{Settings: map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s"}})
	s := openPostgres(t, server, "channel")
	defer s.Close()
	var (
		mu           sync.Mutex
		acknowledged []string
		callers      sync.WaitGroup
	)
	enough := make(chan struct{})
	for caller := range 8 {
		callers.Go(func() {
			for i := 0; ; i++ {
				body := fmt.Sprintf("%d/%d", caller, i)
				if err := s.Append(context.Background(), store.Webhook{ReceivedAt: storetest.At, Body: []byte(body)}); err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("Append: %v", err)
					}
					return
				}
				mu.Lock()
				if acknowledged = append(acknowledged, body); len(acknowledged) == 300 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	server.Kill()
	callers.Wait()
	if err := s.Update(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("an update without a server: %v", err)
	}
	if s.Err() != nil {
		t.Errorf("the store counts as failed: %v", s.Err())
	}
	server.Run()
	found := bodies(t, s)
	for _, body := range acknowledged {
		if !found[body] {
			t.Errorf("%s was acknowledged and is lost", body)
		}
	}
	if err := s.Append(t.Context(), store.Webhook{Body: []byte("again")}); err != nil {
		t.Errorf("after the server is back: %v", err)
	}
}

// Without the lock, both would read the same number, and one of the increments would be lost.
func TestPostgresLetsProcessesTakeTurns(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	var (
		group  sync.WaitGroup
		stores []*store.Postgres
		mu     sync.Mutex
	)
	// They start at the same moment, so that one has to wait for the other's migrations.
	for range 3 {
		group.Go(func() {
			s, err := tryPostgres(server, "channel")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			stores = append(stores, s)
		})
	}
	group.Wait()
	for _, s := range stores {
		t.Cleanup(func() { _ = s.Close() })
		for range 4 {
			group.Go(func() {
				for range 10 {
					if err := s.Update(context.Background(), increment); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	if err := stores[0].View(t.Context(), func(tx *store.Tx) error {
		n, err := tx.Meta("n")
		if n != "120" {
			t.Errorf("120 increments made %s", n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func increment(tx *store.Tx) error {
	text, err := tx.Meta("n")
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(text)
	return tx.SetMeta("n", strconv.Itoa(n+1))
}

func TestPostgresRefusesSchemasThatAreNotItsOwn(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	server.Exec(
		`CREATE SCHEMA shop`, `CREATE TABLE shop.customer (id int)`,
		`CREATE ROLE guest LOGIN`, `CREATE SCHEMA prepared AUTHORIZATION guest`,
	)
	if _, err := tryPostgres(server, "shop"); !errors.Is(err, store.ErrForeign) || !strings.Contains(err.Error(), `"shop"`) {
		t.Errorf("a schema of another program: %v", err)
	}
	asGuest := func(schema string) error {
		s, err := store.OpenPostgres(t.Context(), store.PostgresOptions{
			DSN:    func() (string, error) { return strings.ReplaceAll(server.DSN(), "user=postgres", "user=guest"), nil },
			Schema: schema,
		})
		if err == nil {
			err = s.Close()
		}
		return err
	}
	if err := asGuest("fresh"); err == nil || !strings.Contains(err.Error(), "may not create the schema") {
		t.Errorf("without the right to create a schema: %v", err)
	}
	if err := asGuest("prepared"); err != nil {
		t.Errorf("a schema that was created for the user: %v", err)
	}
}

func TestPostgresRefusesAStoreOfTheFuture(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	s := openPostgres(t, server, "channel")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	server.Exec(`INSERT INTO channel.migration SELECT max(version) + 1 FROM channel.migration`)
	s = openPostgres(t, server, "channel")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	server.Exec(`INSERT INTO channel.migration SELECT max(version) + 1 FROM channel.migration`)
	if _, err := tryPostgres(server, "channel"); !errors.Is(err, store.ErrTooNew) {
		t.Errorf("two versions ahead: %v", err)
	}
}

func TestPostgresIsWaitedFor(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	var dsn atomic.Pointer[string]
	dsn.Store(new("no connection string"))
	clock := clocktest.New(storetest.At)
	opened := make(chan error, 1)
	go func() {
		s, err := store.OpenPostgres(context.Background(), store.PostgresOptions{
			Schema: "channel", Clock: clock, DSN: func() (string, error) { return *dsn.Load(), nil },
		})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	for _, next := range []string{"postgres:///postgres?host=/nowhere", server.DSN()} {
		clock.AwaitTimers(1)
		dsn.Store(&next)
		clock.Advance(time.Second)
	}
	if err := <-opened; err != nil {
		t.Errorf("OpenPostgres: %v", err)
	}
}

func TestPostgresTellsWhetherItIsDurable(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	s := openPostgres(t, server, "channel")
	defer s.Close()
	for _, tc := range []struct {
		setting string
		want    bool
		says    string
	}{
		{`fsync = on`, true, "disk"},
		{`full_page_writes = off`, false, "full_page_writes = on"},
		{`fsync = off`, false, "fsync = on"},
	} {
		server.Exec(`ALTER SYSTEM SET `+tc.setting, `SELECT pg_reload_conf()`)
		// The server takes a setting up in its own time.
		gomega.NewWithT(t).Eventually(func() (store.Durability, error) { return s.Durability(t.Context()) }).WithTimeout(time.Minute).
			Should(gomega.And(gomega.HaveField("Durable", tc.want), gomega.HaveField("Reason", gomega.ContainSubstring(tc.says))), tc.setting)
	}
}

func TestPostgresTellsWhyItCannotBeWritten(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	s := openPostgres(t, server, "channel")
	defer s.Close()
	exec := func(statements ...string) func() { return func() { server.Exec(statements...) } }
	// What the server does when a table cannot become longer.
	server.Exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = TG_ARGV[0]; END $$`)
	refuse := func(code string) func() {
		return exec(`CREATE TRIGGER refuse BEFORE INSERT ON channel.inbox FOR EACH ROW EXECUTE FUNCTION refuse('` + code + `')`)
	}
	let := exec(`DROP TRIGGER refuse ON channel.inbox`)
	for _, tc := range []struct {
		name, says  string
		spoil, mend func()
		// unseen tells that only a write shows it.
		unseen bool
	}{
		{name: "a standby", says: "its server is a standby", spoil: server.Demote, mend: exec(`SELECT pg_promote()`)},
		{
			name: "sessions begin read-only", says: "default_transaction_read_only is on",
			spoil: exec(`ALTER DATABASE postgres SET default_transaction_read_only = on`,
				`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'whatsapp-operator'`),
			mend: exec(`SET default_transaction_read_only = off`, `ALTER DATABASE postgres RESET default_transaction_read_only`),
		},
		{
			name: "sessions become read-only", says: "default_transaction_read_only is on",
			spoil: exec(`ALTER SYSTEM SET default_transaction_read_only = on`, `SELECT pg_reload_conf()`),
			mend:  exec(`SET default_transaction_read_only = off`, `ALTER SYSTEM RESET default_transaction_read_only`, `SELECT pg_reload_conf()`),
		},
		{name: "a full disk", says: "its disk is full", spoil: refuse("53100"), mend: let, unseen: true},
		{name: "another reason", says: "SQLSTATE 58030", spoil: refuse("58030"), mend: let, unseen: true},
	} {
		g := gomega.NewWithT(t)
		keep := func() error {
			return s.Append(t.Context(), store.Webhook{ReceivedAt: storetest.At, Body: []byte(tc.name)})
		}
		why := func() string { why, _ := s.Refusal(t.Context()); return why }
		g.Expect(keep()).To(gomega.Succeed(), tc.name)
		g.Expect(why()).To(gomega.BeEmpty(), tc.name)
		tc.spoil()
		if tc.unseen {
			g.Expect(keep()).To(gomega.MatchError(store.ErrUnavailable), tc.name)
		}
		// The server takes a setting up in its own time.
		g.Eventually(why).WithTimeout(time.Minute).Should(gomega.ContainSubstring(tc.says), tc.name)
		g.Expect(keep()).To(gomega.MatchError(store.ErrUnavailable), tc.name)
		tc.mend()
		g.Eventually(why).WithTimeout(time.Minute).Should(gomega.BeEmpty(), tc.name)
		g.Eventually(keep).WithTimeout(time.Minute).Should(gomega.Succeed(), tc.name)
	}
	var waiting []store.InboxRow
	if err := s.View(t.Context(), func(tx *store.Tx) (err error) { waiting, err = tx.NextInbox(100, 1<<20); return err }); err != nil {
		t.Fatal(err)
	}
	if len(waiting) != 10 {
		t.Errorf("%d webhooks are stored, and 10 were acknowledged", len(waiting))
	}
}

// A primary that is fenced off rather than ended keeps its connections.
func TestPostgresLeavesAServerThatTakesNoWrites(t *testing.T) {
	fenced, primary := postgrestest.Start(t, postgrestest.Options{}), postgrestest.Start(t, postgrestest.Options{})
	if err := openPostgres(t, primary, "channel").Close(); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenPostgres(t.Context(), store.PostgresOptions{Schema: "channel", DSN: func() (string, error) {
		both, err := url.Parse(fenced.DSN())
		if err != nil {
			return "", err
		}
		other, err := url.Parse(primary.DSN())
		if err != nil {
			return "", err
		}
		query := both.Query()
		query.Set("host", query.Get("host")+","+other.Query().Get("host"))
		both.RawQuery = query.Encode()
		return both.String(), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Append(t.Context(), store.Webhook{Body: []byte("before")}); err != nil {
		t.Fatal(err)
	}
	fenced.Exec(`ALTER SYSTEM SET default_transaction_read_only = on`, `SELECT pg_reload_conf()`)
	refused := func() string { why, _ := s.Refusal(t.Context()); return why }
	g := gomega.NewWithT(t)
	g.Eventually(refused).WithTimeout(time.Minute).ShouldNot(gomega.BeEmpty())
	g.Expect(refused()).To(gomega.BeEmpty(), "the new primary takes writes")
	g.Expect(s.Append(t.Context(), store.Webhook{Body: []byte("after")})).To(gomega.Succeed())
	g.Expect(bodies(t, s)).To(gomega.HaveLen(1), "what the new primary has")
}
