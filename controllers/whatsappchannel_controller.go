// Package controllers makes a WhatsAppChannel what it declares: it checks the credentials at Meta, finds the phone
// number, runs the receiver, and registers the callback URL or says what a person has to do.
//
// A reconciliation observes in phases and then computes one status from all that was observed. A phase that fails ends
// only what depends on it. The receiver depends on nothing that Meta says: it runs on what was known last.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// +kubebuilder:rbac:groups=whatsapp-operator.io,resources=whatsappchannels,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=whatsapp-operator.io,resources=whatsappchannels/status,verbs=patch
// +kubebuilder:rbac:groups=whatsapp-operator.io,resources=whatsappchannels/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=configmaps;serviceaccounts;persistentvolumeclaims,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Prober makes Meta's handshake through a callback URL, and returns nil or a *probe.Error.
type Prober interface {
	Probe(ctx context.Context, callbackURL, verifyToken, challenge string) error
}

// Options are what the operator's flags say.
type Options struct {
	// Graph is the Graph API for operator and receivers.
	Graph manifests.Graph
	// ReceiverImage is the image that receivers run.
	ReceiverImage string
	// ReceiverEnvironment are variables of receivers, such as HTTPS_PROXY.
	ReceiverEnvironment map[string]string
	// PlatformChoosesUser says that the platform gives pods their user and group, as OpenShift does.
	PlatformChoosesUser bool
	// CallbackHostname is used where a channel names none.
	CallbackHostname string
	// Installation tells this operator's channels from those of other clusters in a helpdesk that they share; the
	// callback's hostname unless told.
	Installation string
	// NetworkPolicies says that receivers get a NetworkPolicy, for clusters that enforce them.
	NetworkPolicies bool
	// Namespace is the operator's own namespace; empty where it runs outside the cluster.
	Namespace string
	// AllowedAnnotationPrefixes are the prefixes of annotations that channels may put on Services and Ingresses. None is
	// allowed unless told.
	AllowedAnnotationPrefixes []string
	// WatchNamespaces are the namespaces to serve; all if empty.
	WatchNamespaces []string
}

// Reconciler brings channels to what they declare. Its exported fields are set before SetupWithManager.
type Reconciler struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads past the cache. Secrets are only ever read with it.
	Live client.Client
	// GraphAPI is Meta.
	GraphAPI GraphAPI
	// Prober tries callback URLs.
	Prober Prober
	// ReceiverStatus asks receivers about themselves.
	ReceiverStatus ReceiverStatusReader
	// Recorder takes Events about channels.
	Recorder recorder.EventRecorder
	// Clock tells the time of every decision.
	Clock clock.PassiveClock
	// Random is the source of tokens; crypto/rand in production.
	Random io.Reader
	// Options are what the operator's flags say.
	Options Options

	graph    *sharedGraph
	secrets  *secretReader
	gateway  *gatewayAPI
	memories memories
}

// A phase looks at one part of the channel, and brings it closer to what is declared. What it finds goes into the
// scope; it returns only errors that asking the API server again may mend.
type phase struct {
	name string
	run  func(context.Context, *scope) error
}

// firstPhases gather what all others build on.
func (r *Reconciler) firstPhases() []phase {
	return []phase{
		{"look past the cache", r.lookPastCache},
		{"claim", r.claim},
		{"credential Secrets", r.credentialSecrets},
		{"callback URL", r.resolveCallbackURL},
	}
}

// lookupPhases find out at Meta which number the channel is for.
func (r *Reconciler) lookupPhases() []phase {
	return []phase{
		{"refresh", r.decideRefresh},
		{"credentials", r.credentials},
		{"phone number", r.resolvePhoneNumber},
	}
}

// localPhases run on what is known, and ask nobody outside the cluster.
func (r *Reconciler) localPhases() []phase {
	return []phase{
		{"verify token", r.verifyTokenSecret},
		{"private API", r.privateAPI},
		{"helpdesk", r.helpdesk},
		{"storage", r.storage},
		{"configuration", r.configure},
		{"identity", r.identify},
		{"network", r.network},
		{"receiver", r.deploy},
		{"exposure", r.expose},
	}
}

// registrationPhases ask Meta about the registration, and the receiver about itself.
func (r *Reconciler) registrationPhases() []phase {
	return []phase{
		{"registration", r.register},
		{"receiver status", r.mirrorReceiver},
	}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	s, err := r.newScope(ctx, request)
	if apierrors.IsNotFound(err) {
		r.memories.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if !s.channel.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, s)
	}
	var failures []error
	if s.invalidSpec = r.validate(s.channel); s.invalidSpec == nil {
		failures = append(failures, r.runPhases(ctx, s)...)
	}
	s.failed = worthRetrying(failures) != nil
	s.memory.forbidden.pass()
	s.memory.failing.pass()
	for _, err := range s.withheld {
		log.FromContext(ctx).Error(err, "The API server fails to write an object of the channel")
	}
	status := r.desiredStatus(s)
	if err := r.writeStatus(ctx, s, status); err != nil {
		failures = append(failures, err)
	}
	if err := worthRetrying(failures); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.nextWakeUp(status)}, nil
}

// newScope reads the channel. Where the cache does not show the operator's own last write yet, it reads live: acting
// on an older status could call Meta twice.
func (r *Reconciler) newScope(ctx context.Context, request ctrl.Request) (*scope, error) {
	channel := &v1alpha1.WhatsAppChannel{}
	if err := r.Client.Get(ctx, request.NamespacedName, channel); err != nil {
		return nil, err
	}
	known := r.memories.of(request.NamespacedName, channel.UID)
	if known.statusVersion != "" {
		if order, err := resourceversion.CompareResourceVersion(channel.ResourceVersion, known.statusVersion); err != nil || order < 0 {
			if err := r.Live.Get(ctx, request.NamespacedName, channel); err != nil {
				return nil, err
			}
			known = r.memories.of(request.NamespacedName, channel.UID)
		}
	}
	return &scope{channel: channel, resourceVersion: channel.ResourceVersion, now: r.Clock.Now(), memory: known}, nil
}

// runPhases runs all phases; each looks for itself whether what it depends on is there. The errors of all are returned.
//
// A new channel's number is looked up first, and reserved by a status of its own, so that all its objects are made once and
// for the right number. Where Meta does not answer soon, they are made without.
func (r *Reconciler) runPhases(ctx context.Context, s *scope) []error {
	var failures []error
	run := func(ctx context.Context, phases ...phase) {
		for _, p := range phases {
			if err := p.run(ctx, s); err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", p.name, err))
			}
		}
	}
	run(ctx, r.firstPhases()...)
	isNew := len(s.channel.Status.Conditions) == 0
	if isNew {
		lookup, cancel := context.WithTimeout(ctx, firstLookupTimeout)
		defer cancel()
		run(lookup, append(r.lookupPhases(), phase{"reservation", r.reserve})...)
		if s.reserved {
			return failures
		}
	}
	run(ctx, r.localPhases()...)
	outside, cancel := context.WithTimeout(ctx, outsideTimeout)
	defer cancel()
	run(outside, phase{"callback probe", r.probeCallback})
	if !isNew {
		run(outside, r.lookupPhases()...)
	}
	run(outside, r.registrationPhases()...)
	return failures
}

// decideRefresh decides whether Meta is asked this time.
func (r *Reconciler) decideRefresh(_ context.Context, s *scope) error {
	s.refresh = r.planRefresh(s)
	if s.refresh.due {
		s.memory.mirror.handshakeSeen = false
	}
	return nil
}

// worthRetrying joins errors, and drops those that are part of a channel's end or of two writes that crossed: an event
// about them is on its way.
func worthRetrying(failures []error) error {
	var kept []error
	for _, err := range failures {
		if err != nil && !apierrors.HasStatusCause(err, namespaceTerminating) {
			kept = append(kept, err)
		}
	}
	return errors.Join(kept...)
}
