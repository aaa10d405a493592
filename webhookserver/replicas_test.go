package webhookserver_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// replica is one of several receivers of a channel, with a PostgreSQL that they share.
type replica struct {
	r      *receiver
	server *webhookserver.Server
	end    context.CancelFunc
	ended  chan error
	// sending counts the requests that were sent to it and that it has not begun to read yet.
	sending atomic.Int64
}

func (r *receiver) replica(dsn func() (string, error)) *replica {
	r.t.Helper()
	server, err := webhookserver.New(webhookserver.Options{
		ConfigDir: r.configDir, MediaDir: filepath.Join(r.t.TempDir(), "media"),
		PublicAddress: "127.0.0.1:0", PrivateAddress: "127.0.0.1:0", HealthAddress: "127.0.0.1:0",
		Log: slog.New(r.leaks.Handler(slog.NewJSONHandler(r.log, nil))),
		OpenStore: func(ctx context.Context) (store.Store, error) {
			return store.OpenPostgres(ctx, store.PostgresOptions{DSN: dsn, Schema: "channel"})
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	one := &replica{r: r, server: server, end: cancel, ended: make(chan error, 1)}
	go func() { one.ended <- server.Run(ctx) }()
	select {
	case <-server.Ready():
	case err := <-one.ended:
		r.t.Fatalf("the receiver ended: %v", err)
	}
	return one
}

// stop ends the receiver as Kubernetes does after its preStop hook.
func (p *replica) stop() {
	p.r.t.Helper()
	p.end()
	select {
	case err := <-p.ended:
		if err != nil {
			p.r.t.Errorf("the receiver did not end cleanly: %v", err)
		}
	case <-time.After(patience):
		p.r.t.Fatalf("the receiver does not end:\n%s", p.r.log)
	}
}

// service spreads requests over receivers as a Service does over its endpoints.
type service struct {
	mu        sync.Mutex
	endpoints []*replica
	next      int
	client    *http.Client
	// refused counts the requests that were not answered 200.
	refused atomic.Int64
}

func (s *service) set(endpoints ...*replica) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = endpoints
}

func (s *service) pick() *replica {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	picked := s.endpoints[s.next%len(s.endpoints)]
	picked.sending.Add(1)
	return picked
}

// ServeHTTP passes a request on, over a connection of its own.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	picked := s.pick()
	begun := sync.OnceFunc(func() { picked.sending.Add(-1) })
	defer begun()
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got100Continue: begun})
	request, err := http.NewRequestWithContext(ctx, r.Method, "http://"+picked.server.PublicAddr().String()+r.URL.String(), r.Body)
	if err != nil {
		panic(err)
	}
	// A connection can wait for a receiver that does not accept it any more. It asks for the body when it has begun to read.
	request.Header = r.Header.Clone()
	request.Header.Set("Expect", "100-continue")
	response, err := s.client.Do(request)
	if err != nil {
		s.refused.Add(1)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.refused.Add(1)
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

// inFront puts a Service in front of receivers, and has Meta call it.
func (r *receiver) inFront(of ...*replica) *service {
	r.t.Helper()
	s := &service{client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: patience}}}
	s.set(of...)
	front := httptest.NewServer(s)
	r.t.Cleanup(front.Close)
	r.meta.SubscribeApp(r.app.ID, front.URL+config.CallbackPath("helpdesk", "support"), webhook.FieldMessages)
	r.meta.SubscribeAccount(r.account.ID, r.app.ID)
	return s
}

func TestARollingUpdateRefusesNoWebhook(t *testing.T) {
	database := postgrestest.Start(t, postgrestest.Options{})
	dsn := func() (string, error) { return database.DSN(), nil }
	r := newReceiver(t)
	defer http.DefaultClient.CloseIdleConnections()
	running := []*replica{r.replica(dsn), r.replica(dsn)}
	front := r.inFront(running...)
	load := converse(r, 4)
	load.more(10)
	for range 2 {
		// No pod goes before another is there: maxUnavailable is 0, maxSurge 1.
		old := running[0]
		running = append(running[1:], r.replica(dsn))
		front.set(running...)
		// The preStop hook lasts until everyone has heard that the pod is not to be called any more.
		r.eventually("nobody calls the old receiver any more", func() bool { return old.sending.Load() == 0 })
		old.stop()
		load.more(10)
	}
	r.server = running[0].server
	load.finish()
	if n := front.refused.Load(); n != 0 {
		t.Errorf("%d webhooks were refused", n)
	}
	for _, one := range running {
		one.stop()
	}
}

func TestTheDatabasesPasswordIsReplacedWithoutARestart(t *testing.T) {
	database := postgrestest.Start(t, postgrestest.Options{})
	database.Exec(`CREATE ROLE receiver LOGIN PASSWORD 'first-password'`, `GRANT ALL ON DATABASE postgres TO receiver`)
	requirePassword(t, database)
	var password atomic.Pointer[string]
	password.Store(new("first-password"))
	dsn := func() (string, error) {
		parsed, err := url.Parse(database.DSN())
		if err != nil {
			return "", err
		}
		query := parsed.Query()
		query.Set("user", "receiver")
		query.Set("password", *password.Load())
		parsed.RawQuery = query.Encode()
		return parsed.String(), nil
	}
	var again []time.Duration
	for range 1000 {
		again = append(again, 20*time.Millisecond)
	}
	r := newReceiver(t, cloudapitest.WithRetrySchedule(again...))
	r.leaks.Register("first-password", "second-password")
	defer http.DefaultClient.CloseIdleConnections()
	one := r.replica(dsn)
	r.server = one.server
	r.inFront(one)
	load := converse(r, 4)
	load.more(10)

	database.Exec(`ALTER ROLE receiver PASSWORD 'second-password'`)
	password.Store(new("second-password"))
	load.more(10)
	// Connections that are open need no password. None of them is left now.
	database.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'receiver'`)
	load.more(10)
	load.finish()
	one.stop()
}

// requirePassword has the database ask one user for a password, and all others for none.
func requirePassword(t *testing.T, database *postgrestest.Server) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var file string
	if err := conn.QueryRow(t.Context(), `SHOW hba_file`).Scan(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("local all receiver scram-sha-256\nlocal all all trust\n"), 0o600); err != nil { //nolint:dupword // That is how pg_hba.conf is written.
		t.Fatal(err)
	}
	database.Exec(`SELECT pg_reload_conf()`)
}
