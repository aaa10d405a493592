package cloudapitest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Server is a simulated Graph API. All methods are safe for concurrent use.
type Server struct {
	// URL is the base URL, empty for a server made with [New].
	URL string

	clock         clock.Clock
	callbacks     *http.Client
	log           *slog.Logger
	schedule      []time.Duration
	httpCallbacks bool

	mux  *http.ServeMux
	http *http.Server

	ctx    context.Context
	cancel context.CancelFunc
	// running counts the goroutines that deliver webhooks.
	running sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	ids        int
	apps       map[string]*app
	accounts   map[string]*account
	numbers    map[string]*number
	numberIDs  []string
	tokens     map[string]*tokenState
	customers  map[string]*Customer
	messages   map[string]*SentMessage
	messageIDs []string
	media      map[string]*media
	requests   []Request
	failures   []*failure
	window     bool
	statuses   []string
	mode       DeliveryMode
	holding    bool
	held       []update
	lanes      map[string]*lane
	deliveries []*Delivery
	// nextDelivery is the id of the latest delivery.
	nextDelivery int
	// busy counts the webhooks that are queued or under way; settled is closed
	// when it falls to zero.
	busy    int
	settled chan struct{}
}

// An Option configures a server.
type Option func(*Server)

// WithClock replaces the clock by which tokens expire, customer service windows
// close and webhooks are delivered again.
func WithClock(c clock.Clock) Option { return func(s *Server) { s.clock = c } }

// WithRootCAs sets the certificate authorities that callback URLs must be
// signed by, instead of the system's.
func WithRootCAs(roots *x509.CertPool) Option {
	return func(s *Server) {
		s.callbacks.Transport.(*http.Transport).TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
}

// WithTransport replaces how callback URLs are reached.
func WithTransport(transport http.RoundTripper) Option {
	return func(s *Server) { s.callbacks.Transport = transport }
}

// WithDialer replaces how connections to callback URLs are made, so that a
// public host name can lead to a server under test.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *Server) { s.callbacks.Transport.(*http.Transport).DialContext = dial }
}

// WithHTTPCallbacks accepts callback URLs without TLS, which Meta does not.
func WithHTTPCallbacks() Option { return func(s *Server) { s.httpCallbacks = true } }

// WithRetrySchedule replaces the pauses before each further delivery of a
// webhook. After the last one it is dropped.
func WithRetrySchedule(pauses ...time.Duration) Option {
	return func(s *Server) { s.schedule = pauses }
}

// WithLogger logs calls and deliveries, without secrets, contents and phone
// numbers.
func WithLogger(logger *slog.Logger) Option { return func(s *Server) { s.log = logger } }

// callbackTimeout is how long a callback URL may take to answer.
const callbackTimeout = 10 * time.Second

// New returns a server that does not listen: use it as an [http.Handler]. Close
// it nevertheless.
func New(options ...Option) *Server {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	s := &Server{
		clock: clock.RealClock{},
		callbacks: &http.Client{
			Transport:     transport,
			Timeout:       callbackTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		log:       slog.New(slog.DiscardHandler),
		schedule:  DefaultRetrySchedule(),
		apps:      map[string]*app{},
		accounts:  map[string]*account{},
		numbers:   map[string]*number{},
		tokens:    map[string]*tokenState{},
		customers: map[string]*Customer{},
		messages:  map[string]*SentMessage{},
		media:     map[string]*media{},
		statuses:  []string{"sent", "delivered"},
		lanes:     map[string]*lane{},
		settled:   make(chan struct{}),
	}
	close(s.settled)
	for _, option := range options {
		option(s)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mux = s.routes()
	return s
}

// NewServer returns a server that listens on a free port of the loopback
// interface. It panics if there is none, as net/http/httptest does.
func NewServer(options ...Option) *Server {
	s := New(options...)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("cloudapitest: cannot listen: %v", err))
	}
	s.URL = "http://" + listener.Addr().String()
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	s.running.Go(func() { _ = s.http.Serve(listener) })
	return s
}

// ServeHTTP answers a call to the Graph API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limit := int64(maxBody)
	if strings.HasSuffix(r.URL.Path, "/media") {
		limit = maxUpload
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	s.mux.ServeHTTP(w, r)
}

// Close stops answering and delivering, and waits until all of it has ended.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	if s.http != nil {
		_ = s.http.Close()
	}
	s.running.Wait()
	s.callbacks.CloseIdleConnections()
}
