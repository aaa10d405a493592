package webhookserver

import (
	"context"
	"crypto/x509"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/cloudevents"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/mount"
)

const (
	// checkInterval is how often the helpdesk is checked while it is ready, failedCheckInterval while it is not.
	checkInterval       = 5 * time.Minute
	failedCheckInterval = time.Minute
	// checkTimeout bounds one check.
	checkTimeout = 30 * time.Second
)

// desk holds the helpdesk of the present configuration, and changes it with the configuration. Tickets that are open
// then stay where they are: a conversation goes on in the new helpdesk with a ticket of its own as soon as its customer
// writes again.
type desk struct {
	server *Server
	parts  *running

	mu      sync.Mutex
	current helpdesk.Helpdesk
	of      deskConfig
	trusts  *x509.CertPool
	status  *config.HelpdeskStatus
	// changed tells that current is another one.
	changed chan struct{}
}

// deskConfig is what a helpdesk is made from, besides the authorities that it trusts. A helpdesk never sees it change: it is made anew.
type deskConfig struct {
	channel       config.Channel
	token, secret string
}

func deskConfigOf(s *mount.Snapshot) deskConfig {
	return deskConfig{
		channel: config.Channel{
			Namespace: s.Channel.Namespace, Name: s.Channel.Name, TargetGroup: s.Channel.TargetGroup, Helpdesk: s.Channel.Helpdesk,
		},
		token: string(s.HelpdeskToken), secret: string(s.HelpdeskSecret),
	}
}

func newDesk(s *Server, r *running) *desk {
	d := &desk{server: s, parts: r, changed: make(chan struct{}, 1)}
	d.configure()
	return d
}

// configure makes the helpdesk of the present configuration, unless there is one of the same already.
func (d *desk) configure() {
	snapshot := d.server.channel.Snapshot()
	wanted := deskConfigOf(snapshot)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != nil && reflect.DeepEqual(d.of, wanted) && d.trusts.Equal(snapshot.RootCAs) {
		return
	}
	d.current, d.of, d.trusts = d.make(snapshot), wanted, snapshot.RootCAs
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// make makes a helpdesk. Each kind has its line here.
func (d *desk) make(snapshot *mount.Snapshot) helpdesk.Helpdesk {
	switch declared := snapshot.Channel.Helpdesk; {
	case declared != nil && declared.Zammad != nil:
		return zammad.New(zammad.Options{
			URL: declared.Zammad.URL, RootCAs: snapshot.RootCAs, Group: snapshot.Channel.TargetGroup,
			Token: string(snapshot.HelpdeskToken), Secret: string(snapshot.HelpdeskSecret),
			Namespace: snapshot.Channel.Namespace, Name: snapshot.Channel.Name, Installation: declared.Zammad.Installation,
			EventsURL: declared.Zammad.EventsURL, PrivateAuthority: declared.Zammad.Events == config.EventsInternal,
			Identity: declared.Identity(), Receiver: d.receiver(declared.Identity()),
		})
	case declared != nil && declared.CloudEvents != nil:
		return cloudevents.New(cloudevents.Options{
			Channel: snapshot.Channel, Authorization: string(snapshot.HelpdeskToken), RootCAs: snapshot.RootCAs,
			Store: d.parts.store, Clock: d.server.clock, Settings: d.server.settings,
		})
	default:
		return d.parts.inbox
	}
}

// receiver is what a helpdesk outside may use.
func (d *desk) receiver(identity string) helpdesk.Receiver {
	s := d.server
	return helpdesk.Receiver{
		Agents: &engine.Agents{
			Store: d.parts.store, Clock: s.clock, Helpdesk: identity, Settings: s.settings, Changed: d.parts.wake,
		},
		Notes: &engine.Notes{Store: d.parts.store, Helpdesk: identity},
		Files: deskFiles{d.parts.files},
		Clock: s.clock, Log: s.log,
	}
}

// Conversations returns the present helpdesk if its agents work through the private API, or nil.
func (d *desk) Conversations() api.Conversations {
	switch present := d.Helpdesk().(type) {
	case *inbox.Inbox:
		return inbox.Conversations{Inbox: present}
	case api.Conversations:
		return present
	default:
		return nil
	}
}

// Helpdesk returns the present helpdesk.
func (d *desk) Helpdesk() helpdesk.Helpdesk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

// Status returns how the helpdesk was found at the latest check, or nil.
func (d *desk) Status() *config.HelpdeskStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

// Run lets the helpdesk of each configuration run until the next one.
func (d *desk) Run(ctx context.Context) error {
	for {
		select {
		case <-d.changed:
		default:
		}
		if err := d.runOne(ctx, d.Helpdesk()); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// runOne runs one helpdesk until the context ends or there is another one, and waits for what it began.
func (d *desk) runOne(ctx context.Context, one helpdesk.Helpdesk) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	ended := make(chan error, 1)
	running.Go(func() { ended <- one.Run(ctx) })
	running.Go(func() { d.keepChecking(ctx, one) })
	select {
	case <-d.changed:
		return nil
	case err := <-ended:
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("run the helpdesk: %w", err)
		}
	case <-ctx.Done():
		return nil
	}
	// A helpdesk that has nothing more to do is still checked.
	select {
	case <-d.changed:
	case <-ctx.Done():
	}
	return nil
}

func (d *desk) keepChecking(ctx context.Context, one helpdesk.Helpdesk) {
	for {
		interval := checkInterval
		if !d.check(ctx, one) {
			interval = failedCheckInterval
		}
		if !d.server.pause(ctx, interval) {
			return
		}
	}
}

// check checks a helpdesk and reports whether it is ready.
func (d *desk) check(ctx context.Context, one helpdesk.Helpdesk) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	health := one.Check(ctx)
	d.mu.Lock()
	if d.current != one {
		d.mu.Unlock()
		return health.Ready
	}
	before := d.status
	d.status = statusOf(d.of.channel, health, d.server.clock.Now())
	d.mu.Unlock()
	if before == nil || before.Ready != health.Ready || before.Reason != health.Reason {
		d.server.log.Info("helpdesk checked", "ready", health.Ready, "reason", health.Reason)
	}
	if health.Ready {
		d.parts.outbox.Release(conversation.Helpdesk)
	}
	return health.Ready
}

func statusOf(channel config.Channel, health helpdesk.Health, now time.Time) *config.HelpdeskStatus {
	kind, url := channel.Helpdesk.Kind()
	return &config.HelpdeskStatus{
		Kind: kind, URL: url, Group: channel.TargetGroup, Ready: health.Ready, Reason: health.Reason,
		Message: health.Message, Version: health.Version, CheckedAt: now,
	}
}
