package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

const (
	// controllerName names the controller in logs and metrics.
	controllerName = "whatsappchannel"

	// Names of the cache's indexes of channels.
	phoneNumberIndex = "status.phoneNumber.id"
	callbackURLIndex = "status.callbackURL"
	secretIndex      = "spec.namedSecrets"

	// outsideTimeout bounds all calls of one reconciliation to the outside, and reconciliationTimeout the whole of it: it
	// leaves time for the status in any case, because a pause that is not written down is not kept.
	outsideTimeout        = 2 * time.Minute
	reconciliationTimeout = 4 * time.Minute
	// firstLookupTimeout bounds how long a new channel's receiver waits for Meta's word on its number.
	firstLookupTimeout   = 10 * time.Second
	concurrentReconciles = 16

	// What failed is tried again after firstRetry, and then after twice as long each time, but lastRetry at most: what was
	// declared while there was trouble is not to wait for long when that is over.
	firstRetry = 750 * time.Millisecond
	lastRetry  = time.Minute
)

// NewScheme returns a scheme with the kinds that the operator works with, and no others, because each takes memory. A manager
// adds to its scheme, so each needs its own.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme, gatewayv1.Install, v1alpha1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// SetupWithManager registers the reconciler, its watches and its indexes.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	r.graph = newSharedGraph(r.GraphAPI, r.Clock)
	if end, known := cloudapi.VersionEnd(r.Options.Graph.Version); known {
		graphVersionEnd.WithLabelValues(r.Options.Graph.Version).Set(float64(end.Unix()))
	}
	r.secrets = &secretReader{metadata: mgr.GetCache(), live: r.Live}
	if err := indexChannels(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	ofChannel := handler.EnqueueRequestsFromMapFunc(channelOf)
	changed := builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})
	built, err := ctrl.NewControllerManagedBy(mgr).
		Named(controllerName).
		For(&v1alpha1.WhatsAppChannel{}, builder.WithPredicates(predicate.Or(
			predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, predicate.Funcs{
				CreateFunc: func(event.CreateEvent) bool { return true },
				UpdateFunc: claimOrEndChanged,
			}))).
		Watches(&v1alpha1.WhatsAppChannel{}, handler.EnqueueRequestsFromMapFunc(r.rivals), builder.WithPredicates(predicate.Funcs{
			UpdateFunc: claimOrEndChanged,
		})).
		Watches(&appsv1.Deployment{}, ofChannel, changed).
		Watches(&corev1.Service{}, ofChannel, changed).
		Watches(&corev1.ConfigMap{}, ofChannel, changed).
		Watches(&corev1.ServiceAccount{}, ofChannel, changed).
		Watches(&corev1.PersistentVolumeClaim{}, ofChannel, changed).
		Watches(&policyv1.PodDisruptionBudget{}, ofChannel, changed).
		Watches(&networkingv1.Ingress{}, ofChannel, changed).
		Watches(&networkingv1.NetworkPolicy{}, ofChannel, changed).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.usersOfSecret), changed).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrentReconciles,
			ReconciliationTimeout:   reconciliationTimeout,
			RateLimiter:             retries(),
		}).
		Build(r)
	if err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	r.gateway = &gatewayAPI{mgr: mgr, controller: built, namespaces: r.Options.WatchNamespaces}
	return r.lookForGatewayAPI(ctx)
}

// retries says when a channel is tried again whose reconciliation failed. A change of it does not wait for that.
func retries() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
}

// claimOrEndChanged passes updates in which a channel claims another number than before, is being deleted, or then leaves its
// number to others.
func claimOrEndChanged(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*v1alpha1.WhatsAppChannel)
	if !ok {
		return false
	}
	after, ok := e.ObjectNew.(*v1alpha1.WhatsAppChannel)
	if !ok {
		return false
	}
	return claimed(before) != claimed(after) || letGo(before) != letGo(after) ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
}

// claimed is the phone number ID that a channel claims, or nothing.
func claimed(channel *v1alpha1.WhatsAppChannel) string {
	if number := channel.Status.PhoneNumber; number != nil {
		return number.ID
	}
	return ""
}

// channelIndexes are the cache's indexes of channels.
var channelIndexes = map[string]func(*v1alpha1.WhatsAppChannel) []string{
	phoneNumberIndex: func(c *v1alpha1.WhatsAppChannel) []string { return nonEmpty(claimed(c)) },
	callbackURLIndex: func(c *v1alpha1.WhatsAppChannel) []string { return nonEmpty(c.Status.CallbackURL) },
	secretIndex:      secretNames,
}

func indexChannels(ctx context.Context, fields client.FieldIndexer) error {
	for name, values := range channelIndexes {
		if err := fields.IndexField(ctx, &v1alpha1.WhatsAppChannel{}, name, indexer(values)); err != nil {
			return fmt.Errorf("index channels by %s: %w", name, err)
		}
	}
	return nil
}

func indexer(values func(*v1alpha1.WhatsAppChannel) []string) client.IndexerFunc {
	return func(object client.Object) []string {
		channel, ok := object.(*v1alpha1.WhatsAppChannel)
		if !ok {
			return nil
		}
		return values(channel)
	}
}

func nonEmpty(values ...string) []string {
	var out []string
	for _, value := range values {
		if value != "" {
			out = append(out, value)
		}
	}
	return out
}

// secretNames are the Secrets that a channel's spec names.
func secretNames(channel *v1alpha1.WhatsAppChannel) []string {
	names := []string{channel.Spec.AccessTokenSecretRef.Name, channel.Spec.AppSecretSecretRef.Name}
	if ref, _ := manifests.HelpdeskTokenRef(channel); ref != nil {
		names = append(names, ref.Name)
	}
	if own := channel.Spec.Callback.VerifyTokenSecretRef; own != nil {
		names = append(names, own.Name)
	}
	if postgres := channel.Spec.Receiver.Storage.Postgres; postgres != nil {
		names = append(names, postgres.DSNSecretRef.Name)
	}
	slices.Sort(names)
	return nonEmpty(slices.Compact(names)...)
}

// channelOf leads from an object of a channel to the channel.
func channelOf(_ context.Context, object client.Object) []reconcile.Request {
	name := object.GetLabels()[manifests.InstanceLabel]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}}}
}

// usersOfSecret leads from a Secret to the channels that read it: those that name it, and the one that has it made.
func (r *Reconciler) usersOfSecret(ctx context.Context, object client.Object) []reconcile.Request {
	users := r.channelsBy(ctx, secretIndex, object.GetName(), object, client.InNamespace(object.GetNamespace()))
	if name := manifests.ChannelOfSecret(object.GetName()); name != "" {
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: name}
		if err := r.Client.Get(ctx, key, &v1alpha1.WhatsAppChannel{}); !apierrors.IsNotFound(err) {
			users = append(users, reconcile.Request{NamespacedName: key})
		}
	}
	if len(users) == 0 {
		r.secrets.forget(client.ObjectKeyFromObject(object))
	}
	return users
}

// rivals leads from a channel to the others that claim the same number.
func (r *Reconciler) rivals(ctx context.Context, object client.Object) []reconcile.Request {
	channel, ok := object.(*v1alpha1.WhatsAppChannel)
	if !ok || claimed(channel) == "" {
		return nil
	}
	return r.channelsBy(ctx, phoneNumberIndex, claimed(channel), object)
}

func (r *Reconciler) channelsBy(ctx context.Context, index, value string, except metav1.Object, options ...client.ListOption) []reconcile.Request {
	channels := &v1alpha1.WhatsAppChannelList{}
	if err := r.Client.List(ctx, channels, append(options, client.MatchingFields{index: value})...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Could not find the channels that an event is about")
		return nil
	}
	var requests []reconcile.Request
	for i := range channels.Items {
		if channels.Items[i].UID != except.GetUID() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&channels.Items[i])})
		}
	}
	return requests
}
