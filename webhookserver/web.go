package webhookserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/mount"
)

const (
	// drainTime bounds how long requests that were begun may take after the server was told to end. It is below the
	// 30 seconds that Kubernetes grants a pod.
	drainTime = 10 * time.Second
	// privateTimeout bounds requests to the private and the health listener, privateConnections their number.
	privateTimeout     = 30 * time.Second
	privateConnections = 128
)

type listeners struct{ public, private, health net.Listener }

func listen(o Options) (l listeners, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	for _, one := range []struct {
		into    *net.Listener
		address string
		limit   int
		what    string
	}{
		{&l.public, o.PublicAddress, edge.MaxConnections, "webhooks"},
		{&l.private, o.PrivateAddress, privateConnections, "the private API"},
		{&l.health, o.HealthAddress, privateConnections, "health and metrics"},
	} {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", one.address)
		if err != nil {
			return l, fmt.Errorf("listen for %s: %w", one.what, err)
		}
		*one.into = netutil.LimitListener(listener, one.limit)
	}
	return l, nil
}

func (l listeners) close() error {
	var errs []error
	for _, one := range []net.Listener{l.public, l.private, l.health} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}

// web is the HTTP servers of a Server.
type web struct {
	public, private, health *http.Server
	// failed gets the error of a server that ended without having been told to.
	failed  chan error
	serving sync.WaitGroup
}

// serve begins to answer. Before the store is open that is mostly to say so.
func (s *Server) serve() *web {
	quiet := slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	w := &web{failed: make(chan error, 3)}
	w.public = &http.Server{
		Handler:           s.publicRoutes(),
		ReadHeaderTimeout: edge.ReadHeaderTimeout, ReadTimeout: edge.ReadTimeout, WriteTimeout: edge.WriteTimeout,
		IdleTimeout: edge.IdleTimeout, MaxHeaderBytes: edge.MaxHeaderBytes, ErrorLog: quiet,
	}
	w.public.TLSConfig = serving(s.tls)
	inner := func(handler http.Handler) *http.Server {
		return &http.Server{
			Handler: handler, ErrorLog: quiet, ReadHeaderTimeout: edge.ReadHeaderTimeout, ReadTimeout: privateTimeout,
			WriteTimeout: privateTimeout, IdleTimeout: edge.IdleTimeout, MaxHeaderBytes: edge.MaxHeaderBytes,
		}
	}
	w.private = inner(http.HandlerFunc(s.servePrivate))
	w.private.TLSConfig = serving(s.privateTLS)
	w.health = inner(s.healthRoutes())
	w.run(w.public, s.listeners.public)
	w.run(w.private, s.listeners.private)
	w.run(w.health, s.listeners.health)
	return w
}

// serving is how a certificate is served; nil without one.
func serving(certificate *mount.Certificate) *tls.Config {
	if certificate == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.Get}
}

func (w *web) run(server *http.Server, listener net.Listener) {
	w.serving.Go(func() {
		var err error
		if server.TLSConfig != nil {
			err = server.ServeTLS(listener, "", "")
		} else {
			err = server.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			w.failed <- fmt.Errorf("serve: %w", err)
		}
	})
}

// drain ends the public and the private server after the requests that were begun.
func (w *web) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	return errors.Join(end(ctx, w.public), end(ctx, w.private))
}

// shutdown ends all servers.
func (w *web) shutdown(ctx context.Context) error {
	err := w.drain(ctx)
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	err = errors.Join(err, end(ctx, w.health))
	w.serving.Wait()
	return err
}

// end lets a server finish its requests. Those that take too long are cut off: nothing was acknowledged to them.
func end(ctx context.Context, server *http.Server) error {
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}

// publicRoutes serves Meta and, where that is declared, the helpdesk.
func (s *Server) publicRoutes() http.Handler {
	meta := &edge.Handler{
		Secrets: s.secrets, Append: s.append, TurnAway: s.pressure.turnAway, Clock: s.clock, Observe: s.observe,
		Bodies: &s.bodies,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.rings(r, config.EventsPublic) {
			s.ring(w, r)
			return
		}
		meta.ServeHTTP(w, r)
	})
}

// rings tells whether a request is the helpdesk's, at the port where it is told to call.
func (s *Server) rings(r *http.Request, by config.Events) bool {
	snapshot := s.channel.Snapshot()
	if snapshot == nil || r.Method != http.MethodPost || snapshot.Channel.Helpdesk.CallsBy() != by {
		return false
	}
	if by == config.EventsInternal {
		return r.URL.Path == config.HelpdeskEventsPath
	}
	return r.URL.Path == config.CallbackPath(snapshot.Channel.Namespace, snapshot.Channel.Name)+config.PublicHelpdeskSuffix
}

// ring hands a call of the helpdesk to it. Nobody has shown yet to be the helpdesk, so what is held for callers is bounded with
// what is held for Meta.
func (s *Server) ring(w http.ResponseWriter, r *http.Request) {
	running := s.running.Load()
	if running == nil {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	bell := running.desk.Helpdesk().Doorbell()
	if bell == nil {
		http.NotFound(w, r)
		return
	}
	bound, done := s.bodies.Bound(w, r)
	defer done()
	bell.ServeHTTP(w, bound)
}

func (s *Server) servePrivate(w http.ResponseWriter, r *http.Request) {
	if s.rings(r, config.EventsInternal) {
		s.ring(w, r)
		return
	}
	running := s.running.Load()
	if running == nil {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":{"code":"unavailable","message":"The receiver is starting or ending; try again."}}`)
		return
	}
	running.api.ServeHTTP(w, r)
}

func (s *Server) apiRoutes(r *running) http.Handler {
	return (&api.Handler{
		Store: r.store, Inbox: r.inbox, Conversations: r.desk.Conversations, Files: r.files, Clock: s.clock, Log: s.log,
		Tokens: s.tokens, Status: s.status,
		Changed: r.wake,
	}).Routes()
}

func (s *Server) healthRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reason := s.unready(); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.Handle("GET /metrics", s.counters.handler())
	return mux
}

// watch keeps the mounted files current, and returns what waits for that to end.
func (s *Server) watch(ctx context.Context) (wait func()) {
	var watching sync.WaitGroup
	watching.Go(func() { s.channel.Run(ctx) })
	for _, certificate := range []*mount.Certificate{s.tls, s.privateTLS} {
		if certificate != nil {
			watching.Go(func() { certificate.Run(ctx) })
		}
	}
	return watching.Wait
}
