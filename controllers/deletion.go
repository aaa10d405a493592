package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

const (
	// namespaceTerminating is the cause that the API server gives for refusing to create something in a namespace that
	// is being deleted.
	namespaceTerminating = corev1.NamespaceTerminatingCause

	// clearDeadline is how long a channel's deletion waits for Meta.
	clearDeadline = time.Minute
	// clearInterval is how often it asks meanwhile.
	clearInterval = 5 * time.Second
	// clearTimeout bounds one attempt, so that the deadline is kept even where Meta does not answer at all.
	clearTimeout = 20 * time.Second
)

// errOutOfReach says that the override at Meta cannot be cleared by asking again.
var errOutOfReach = errors.New("out of reach")

func hasFinalizer(channel *v1alpha1.WhatsAppChannel) bool {
	return slices.Contains(channel.Finalizers, v1alpha1.Finalizer)
}

// addFinalizer makes sure that the channel stays until its callback URL is cleared at Meta.
func (r *Reconciler) addFinalizer(ctx context.Context, s *scope) error {
	if hasFinalizer(s.channel) {
		return nil
	}
	return r.patchFinalizer(ctx, s, func(channel *v1alpha1.WhatsAppChannel) { controllerutil.AddFinalizer(channel, v1alpha1.Finalizer) })
}

// patchFinalizer changes the finalizers and nothing else. The patch fails if the channel changed meanwhile, and if it is
// gone it does not make a new one, as an apply would.
func (r *Reconciler) patchFinalizer(ctx context.Context, s *scope, change func(*v1alpha1.WhatsAppChannel)) error {
	changed := s.channel.DeepCopy()
	change(changed)
	patch := client.MergeFromWithOptions(s.channel, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, changed, patch, client.FieldOwner(manifests.ManagedBy)); err != nil {
		return fmt.Errorf("change the finalizers: %w", err)
	}
	s.resourceVersion, s.memory.statusVersion = changed.ResourceVersion, changed.ResourceVersion
	return nil
}

// finalize clears the callback URL that the operator set at Meta, if it is still there. It never takes longer than a
// minute: a namespace must not hang because Meta does not answer or because a Secret was deleted first. The app's
// subscription to the business account stays, because other numbers need it.
func (r *Reconciler) finalize(ctx context.Context, s *scope) (ctrl.Result, error) {
	if !hasFinalizer(s.channel) {
		r.memories.forget(client.ObjectKeyFromObject(s.channel))
		return ctrl.Result{}, nil
	}
	deadline := s.channel.DeletionTimestamp.Add(clearDeadline)
	clearing, cancel := context.WithTimeout(ctx, clearTimeout)
	defer cancel()
	if err := r.clearOverride(clearing, s); err != nil {
		if !errors.Is(err, errOutOfReach) && s.now.Before(deadline) {
			log.FromContext(ctx).Info("Could not clear the callback URL at Meta yet", "class", cloudapi.ClassOf(err))
			return ctrl.Result{RequeueAfter: clearInterval}, nil
		}
		r.Recorder.Eventf(s.channel, nil, corev1.EventTypeWarning, "CallbackURLNotCleared", "Finalize",
			"The callback URL that the operator set at Meta could not be cleared. If the phone number is used elsewhere, set its callback URL there again.")
	}
	err := r.patchFinalizer(ctx, s, func(channel *v1alpha1.WhatsAppChannel) { controllerutil.RemoveFinalizer(channel, v1alpha1.Finalizer) })
	if err = client.IgnoreNotFound(err); apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: clearInterval}, nil
	}
	if err == nil {
		r.memories.forget(client.ObjectKeyFromObject(s.channel))
	}
	return ctrl.Result{}, err
}

// clearOverride clears the phone number's callback URL if it is one that the operator wrote for this channel. It
// returns errOutOfReach where asking again cannot help.
func (r *Reconciler) clearOverride(ctx context.Context, s *scope) error {
	number, known := s.channel.Status.PhoneNumber, s.channel.Status.Registration
	if number == nil || known == nil || (known.URL == "" && known.IntendedURL == "") {
		return nil
	}
	token, missing, err := r.resolve(ctx, s.channel.Namespace, s.channel.Spec.AccessTokenSecretRef, "accessTokenSecretRef")
	if err != nil {
		return err
	}
	if missing != nil {
		return errOutOfReach
	}
	// Most apps answer without a proof of the app secret too, so that one which is gone already is no reason to give up.
	secret, _, err := r.resolve(ctx, s.channel.Namespace, s.channel.Spec.AppSecretSecretRef, "appSecretSecretRef")
	if err != nil {
		return err
	}
	with := access{token: token.value, appSecret: secret.value}
	configuration, err := r.graph.webhookConfiguration(ctx, with, number.ID)
	if err != nil {
		return reachable(err)
	}
	override := configuration.PhoneNumber
	if override == "" || (override != known.URL && override != known.IntendedURL) {
		return nil
	}
	return reachable(r.graph.clearCallbackOverride(ctx, with, number.ID))
}

// reachable tells errors that may pass from those that will not.
func reachable(err error) error {
	if err == nil || cloudapi.ClassOf(err).Retryable() {
		return err
	}
	return errOutOfReach
}
