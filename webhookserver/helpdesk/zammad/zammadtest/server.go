package zammadtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

// DefaultVersion is what GET /api/v1/version answers unless told otherwise.
const DefaultVersion = "7.1.2"

// defaultMaxBody is what the Helm chart's proxy lets through (clientMaxBodySize: 50M in zammad-helm's values.yaml).
const defaultMaxBody = 50 << 20

// Server is a simulated Zammad. All methods are safe for concurrent use.
type Server struct {
	// URL is the base URL, empty for a server made with [New].
	URL string

	clock clock.Clock
	hooks *http.Client
	// lax is hooks for those webhooks that verify no certificate.
	lax     *http.Client
	log     *slog.Logger
	fqdn    string
	version string
	maxBody int64

	mux  *http.ServeMux
	http *httptest.Server

	ctx    context.Context
	cancel context.CancelFunc
	// running counts the goroutines that deliver webhooks.
	running sync.WaitGroup

	mu sync.Mutex
	database
	failures   []*failure
	down       bool
	indexHeld  bool
	requests   []Request
	deliveries []*Delivery
	// busy counts the deliveries that are under way; settled is closed when it falls to zero.
	busy    int
	settled chan struct{}
}

// An Option configures a server.
type Option func(*Server)

// WithClock replaces the clock, by which times are stamped and webhooks are delivered again.
func WithClock(c clock.Clock) Option { return func(s *Server) { s.clock = c } }

// WithFQDN sets the setting fqdn, from which the URLs in webhooks are made: zammad.example.com unless told.
func WithFQDN(fqdn string) Option { return func(s *Server) { s.fqdn = fqdn } }

// WithVersion sets the version that the server says it is.
func WithVersion(version string) Option { return func(s *Server) { s.version = version } }

// WithMaxBody sets how large a request may be, in bytes, before the proxy answers 413.
func WithMaxBody(size int64) Option { return func(s *Server) { s.maxBody = size } }

// WithTransport replaces how webhooks reach their endpoints.
func WithTransport(transport http.RoundTripper) Option {
	return func(s *Server) { s.hooks.Transport = transport }
}

// WithLogger logs calls and deliveries, without secrets and contents.
func WithLogger(logger *slog.Logger) Option { return func(s *Server) { s.log = logger } }

// New returns a server that does not listen: use it as an [http.Handler]. Close it nevertheless.
func New(options ...Option) *Server {
	s := &Server{
		clock: clock.System{},
		// lib/user_agent.rb: a whole request may take 60 s. Redirects count as errors.
		hooks: &http.Client{
			Transport:     http.DefaultTransport.(*http.Transport).Clone(),
			Timeout:       60 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		log:     slog.New(slog.DiscardHandler),
		fqdn:    "zammad.example.com",
		version: DefaultVersion,
		maxBody: defaultMaxBody,
		settled: make(chan struct{}),
	}
	close(s.settled)
	for _, option := range options {
		option(s)
	}
	s.lax = lax(s.hooks)
	s.database = newDatabase(s.clock.Now())
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mux = s.routes()
	return s
}

// lax is a client that believes every certificate, for webhooks whose ssl_verify is off (lib/user_agent.rb).
func lax(verifying *http.Client) *http.Client {
	transport, ok := verifying.Transport.(*http.Transport)
	if !ok {
		return verifying
	}
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.InsecureSkipVerify = true
	unverified := *verifying
	unverified.Transport = transport
	return &unverified
}

// NewServer returns a server that listens on a free port of the loopback interface.
func NewServer(options ...Option) *Server {
	s := New(options...)
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// olderThan compares versions of the form 6.5.
func (s *Server) olderThan(version string) bool {
	var has, wants [2]int
	_, _ = fmt.Sscanf(s.version, "%d.%d", &has[0], &has[1])
	_, _ = fmt.Sscanf(version, "%d.%d", &wants[0], &wants[1])
	return slices.Compare(has[:], wants[:]) < 0
}

// ServeHTTP answers a call to the REST API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down {
		closeConnection(w)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Close stops answering and delivering, and waits until all of it has ended.
func (s *Server) Close() {
	s.cancel()
	if s.http != nil {
		s.http.CloseClientConnections()
		s.http.Close()
	}
	s.running.Wait()
	s.hooks.CloseIdleConnections()
	s.lax.CloseIdleConnections()
}
