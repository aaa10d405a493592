// Package webhookserver is the receiver: the program that Meta calls with a channel's webhooks, and that carries them
// to the helpdesk and the agents' replies back.
//
// What comes in is stored by edge, understood by engine, decided by conversation, and carried out by outbox. A Server
// holds these together for one channel.
package webhookserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/mount"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Options say where a Server finds what it needs, and where it listens.
type Options struct {
	// ConfigDir is the mounted directory with the channel's files.
	ConfigDir string
	// TLSDir is the mounted directory with tls.crt and tls.key; empty to listen without TLS.
	TLSDir string
	// PrivateTLS serves the private API over TLS, with the certificate in ConfigDir. Without it there is no encryption.
	PrivateTLS bool
	// PublicAddress, PrivateAddress and HealthAddress are where to listen, in the form of net.Listen.
	PublicAddress, PrivateAddress, HealthAddress string
	// MediaDir is the directory of the files of messages, on the volume. No other process may use it while the store is
	// open. Empty to keep the files in the store.
	MediaDir string
	Limits   Limits
	// OpenStore opens the channel's store. It may wait until the store is free.
	OpenStore func(context.Context) (store.Store, error)
	// Clock defaults to the system's, Log to nothing.
	Clock clock.Clock
	Log   *slog.Logger
}

// claimRetry is how long a database that cannot be reached is left alone.
const claimRetry = time.Second

// Server is a channel's receiver.
type Server struct {
	options   Options
	clock     clock.Clock
	log       *slog.Logger
	listeners listeners
	counters  *counters
	channel   *mount.Channel
	// tls and privateTLS are the certificates of the public and of the private API; nil to listen without TLS.
	tls, privateTLS *mount.Certificate

	// bodies counts what is being received, on all ports.
	bodies edge.Bodies
	// running is set as soon as the store is open and the configuration is read.
	running atomic.Pointer[running]
	ready   chan struct{}
	// changed tells that the configuration changed.
	changed chan struct{}
	// claimed is the phone number ID that the store belongs to, and foreign says why it is not the configured one.
	claimed atomic.Pointer[string]
	foreign atomic.Pointer[string]

	lastHandshake, lastWebhook atomic.Int64
	// shaken tells that there was a handshake.
	shaken   chan struct{}
	pressure pressure
	// durability is what the store last said of itself, and counted what it was last found to hold.
	durability atomic.Pointer[store.Durability]
	counted    atomic.Pointer[store.Counts]
}

// running is what works on an open store.
type running struct {
	store     store.Store
	processor *engine.Processor
	outbox    *outbox.Outbox
	inbox     *inbox.Inbox
	desk      *desk
	graph     *outbox.GraphCaller
	files     media.Files
	// space tells how much of the volume is free, in bytes; nil where there is no volume.
	space func() (free, total int64, err error)
	api   http.Handler
}

// New begins to listen, so that an address that is taken is told at once. Nothing is answered before Run.
func New(o Options) (*Server, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		options: o, clock: o.Clock, log: o.Log,
		ready: make(chan struct{}), changed: make(chan struct{}, 1), shaken: make(chan struct{}, 1),
	}
	s.channel = mount.NewChannel(o.ConfigDir, o.Clock, o.Log, s.configurationChanged)
	if o.TLSDir != "" {
		s.tls = mount.NewCertificate(o.TLSDir, mount.CertificateFiles{Certificate: "tls.crt", Key: "tls.key"}, o.Clock, o.Log)
	}
	if o.PrivateTLS {
		s.privateTLS = mount.NewCertificate(o.ConfigDir,
			mount.CertificateFiles{Certificate: config.PrivateCertificateFile, Key: config.PrivateKeyFile}, o.Clock, o.Log)
	}
	s.counters = newCounters(s.counts, s.durable, s.pressure.reason)
	var err error
	s.listeners, err = listen(o)
	return s, err
}

// Ready is closed when the server can take webhooks for the first time.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// PublicAddr is where the server listens for webhooks.
func (s *Server) PublicAddr() net.Addr { return s.listeners.public.Addr() }

// PrivateAddr is where the server listens for the private API.
func (s *Server) PrivateAddr() net.Addr { return s.listeners.private.Addr() }

// HealthAddr is where the server listens for health checks and metrics.
func (s *Server) HealthAddr() net.Addr { return s.listeners.health.Addr() }

// Run serves until the context ends, and then finishes what was begun. It returns early, with an error, when the
// store fails: the process has to end then, because only a fresh start reads back what the disk really holds.
func (s *Server) Run(ctx context.Context) (err error) {
	// The parts end in their own order, not with the context.
	background, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	watching := s.watch(background)
	web := s.serve()
	defer func() {
		// Requests end first, so that what they store is still processed or at least closed properly.
		err = errors.Join(err, web.shutdown(background))
		stopWatching()
		watching()
	}()

	opened, err := s.options.OpenStore(ctx)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	select {
	case <-s.channel.Loaded():
	case err := <-web.failed:
		return err
	case <-ctx.Done():
		return nil
	}
	if err := s.claim(ctx, opened); err != nil {
		return unlessEnded(ctx, err)
	}
	return s.work(ctx, opened, web)
}

func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// work runs the parts that use the store until the context ends or one of them fails.
func (s *Server) work(ctx context.Context, opened store.Store, web *web) error {
	r, err := s.assemble(opened)
	if err != nil {
		return err
	}
	defer r.graph.Close()
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	parts := []func(context.Context) error{
		r.processor.Run, r.outbox.Run, r.desk.Run,
		func(ctx context.Context) error { return s.follow(ctx, r) },
		func(ctx context.Context) error { return s.watchDurability(ctx, r.store) },
		func(ctx context.Context) error { return s.retain(ctx, r.store) },
		func(ctx context.Context) error { return s.tidy(ctx, r.store, r.files) },
		func(ctx context.Context) error { return s.watchPressure(ctx, r) },
		func(ctx context.Context) error { return s.rememberHandshakes(ctx, r.store) },
	}
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { ended <- part(working) }()
	}
	s.running.Store(r)
	s.log.Info("taking webhooks")
	close(s.ready)

	remaining := cap(ended)
	select {
	case <-ctx.Done():
		s.log.Info("ending; requests and calls that were begun are finished")
	case err = <-web.failed:
	case err = <-ended:
		remaining--
	}
	// New requests are turned away while those that were begun are finished.
	err = errors.Join(err, web.drain(working))
	s.running.Store(nil)
	stopWorking()
	for range remaining {
		err = errors.Join(err, <-ended)
	}
	return err
}

func (s *Server) assemble(opened store.Store) (*running, error) {
	files, space, err := s.openFiles(opened)
	if err != nil {
		return nil, err
	}
	r := &running{store: opened, files: files, space: space, graph: &outbox.GraphCaller{Account: s.account, Store: opened, Files: files}}
	r.inbox = &inbox.Inbox{Store: opened, Clock: s.clock, Settings: s.settings}
	r.desk = newDesk(s, r)
	r.outbox = outbox.New(outbox.Options{
		Store: opened, Clock: s.clock, Log: s.log,
		Held:       func() bool { return s.processed().Delivery == config.Held },
		Throughput: s.throughput,
		Callers: map[conversation.Destination]outbox.Caller{
			conversation.Graph: r.graph,
			conversation.Helpdesk: &outbox.HelpdeskCaller{
				Helpdesk: r.desk.Helpdesk, Store: opened, Clock: s.clock, Settings: s.settings,
			},
			conversation.Media: &outbox.MediaCaller{Graph: r.graph, Files: files},
		},
	})
	r.processor = engine.NewProcessor(engine.Processor{
		Store: opened, Clock: s.clock, Log: s.log, Channel: s.processed, Processed: r.outbox.Wake, Heard: r.outbox.Heard,
	})
	r.api = s.apiRoutes(r)
	return r, nil
}

// wake tells that there may be new effects, or timers.
func (r *running) wake() {
	r.outbox.Wake()
	r.processor.Wake()
}

// settings are what the channel's declaration says about conversations at present.
func (s *Server) settings() conversation.Settings { return engine.SettingsOf(s.processed()) }

func (s *Server) configurationChanged() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// follow takes up changes of the configuration.
func (s *Server) follow(ctx context.Context, r *running) error {
	for {
		select {
		case <-s.changed:
		case <-ctx.Done():
			return nil
		}
		switch err := s.claim(ctx, r.store); {
		case errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil:
			s.log.Error("the configuration cannot be taken up; trying again", "error", err)
			if !s.pause(ctx, claimRetry) {
				return nil
			}
			s.configurationChanged()
			continue
		case err != nil && !errors.Is(err, store.ErrForeign):
			return unlessEnded(ctx, err)
		}
		r.desk.configure()
		r.outbox.ConfigurationChanged()
		r.processor.Wake()
	}
}

// pause waits, and reports whether to go on.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	timer := s.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// claim makes sure that the store belongs to the configured channel. A store of another one is left alone.
func (s *Server) claim(ctx context.Context, opened store.Store) error {
	channel := s.channel.Snapshot().Channel
	var number string
	if channel.PhoneNumber != nil {
		number = channel.PhoneNumber.ID
	}
	err := opened.Update(ctx, func(tx *store.Tx) error { return tx.Claim(channel.BusinessAccountID, number) })
	if errors.Is(err, store.ErrForeign) {
		text := err.Error()
		s.foreign.Store(&text)
		s.claimed.Store(nil)
		s.log.Error("nothing is processed", "reason", text)
		return err
	}
	if err != nil {
		return fmt.Errorf("claim the store: %w", err)
	}
	s.foreign.Store(nil)
	s.claimed.Store(&number)
	return nil
}

// processed is the channel as the processor may use it: without a phone number as long as the store is not that
// number's.
func (s *Server) processed() config.Channel {
	channel := s.channel.Snapshot().Channel
	claimed := s.claimed.Load()
	if channel.PhoneNumber != nil && (claimed == nil || *claimed != channel.PhoneNumber.ID) {
		channel.PhoneNumber = nil
	}
	return channel
}

// account is what messages are sent with at present.
func (s *Server) account() outbox.Account {
	snapshot, channel := s.channel.Snapshot(), s.processed()
	a := outbox.Account{
		BaseURL: channel.Graph.BaseURL, Version: channel.Graph.Version, RootCAs: snapshot.RootCAs, AccessToken: snapshot.AccessToken,
	}
	for _, secret := range snapshot.AppSecrets {
		a.AppSecrets = append(a.AppSecrets, cloudapi.Token(secret))
	}
	if channel.PhoneNumber != nil {
		a.PhoneNumberID = channel.PhoneNumber.ID
	}
	return a
}

// throughput is how many messages a second the number may send at present.
func (s *Server) throughput() int {
	channel := s.processed()
	if channel.PhoneNumber == nil {
		return cloudapi.Throughput("")
	}
	return cloudapi.Throughput(channel.PhoneNumber.ThroughputLevel)
}

// secrets is what the edge checks against; false as long as webhooks cannot be taken.
func (s *Server) secrets() (edge.Secrets, bool) {
	snapshot := s.channel.Snapshot()
	if snapshot == nil || s.running.Load() == nil {
		return edge.Secrets{}, false
	}
	return edge.Secrets{
		Path:       config.CallbackPath(snapshot.Channel.Namespace, snapshot.Channel.Name),
		AppSecrets: snapshot.AppSecrets, VerifyTokens: snapshot.VerifyTokens,
	}, true
}

// append makes a webhook durable and has it processed.
func (s *Server) append(ctx context.Context, w store.Webhook) error {
	r := s.running.Load()
	if r == nil {
		return store.ErrClosed
	}
	if err := r.store.Append(ctx, w); err != nil {
		return err
	}
	s.lastWebhook.Store(w.ReceivedAt.UnixMilli())
	r.processor.Wake()
	return nil
}

func (s *Server) observe(result edge.Result) {
	s.counters.request(result)
	if result == edge.HandshakeDone {
		s.handshaken()
	}
}

func (s *Server) tokens() api.Tokens {
	if snapshot := s.channel.Snapshot(); snapshot != nil {
		return api.Tokens{Status: snapshot.StatusToken, API: snapshot.APIToken}
	}
	return api.Tokens{}
}

func at(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}
