package controllers

import (
	"cmp"
	"context"
	"net/url"
	"regexp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// helpdesk looks after the Secrets that receiver and helpdesk know each other by. It asks the helpdesk nothing: that is
// the receiver's, which tells what it found in its status. A helpdesk that cannot be used does not stop the receiver,
// which keeps what comes in until it can.
func (r *Reconciler) helpdesk(ctx context.Context, s *scope) error {
	ref, field := manifests.HelpdeskTokenRef(s.channel)
	if ref != nil {
		value, missing, err := r.resolve(ctx, s.channel.Namespace, *ref, field)
		if err != nil {
			return err
		}
		if missing != nil {
			s.helpdeskReady = missing
			s.wakeUpIn(unwatchedSecretInterval)
		}
		s.helpdeskTokenKnown = value.known()
	}
	switch {
	case s.channel.Spec.Helpdesk == (v1alpha1.Helpdesk{}):
		s.helpdeskReady = works(v1alpha1.ReasonBuiltIn, "Tickets are kept in the receiver's own inbox.")
	case s.helpdeskReady == nil && !s.helpdeskKnown():
		s.helpdeskReady = unknown(v1alpha1.ReasonPending, "The receiver has not checked the helpdesk yet.")
	}
	if !manifests.HelpdeskCalls(s.channel) {
		return nil
	}
	return s.tellRefusal(r.helpdeskSecret(ctx, s), &s.helpdeskReady)
}

// helpdeskKnown tells whether status has what the receiver found about the helpdesk of this spec.
func (s *scope) helpdeskKnown() bool {
	condition := s.condition(v1alpha1.ConditionHelpdeskReady)
	return condition != nil && condition.ObservedGeneration == s.channel.Generation &&
		!s.hasReason(v1alpha1.ConditionHelpdeskReady, v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretNotLabelled,
			v1alpha1.ReasonSecretKeyMissing, v1alpha1.ReasonSecretValueEmpty, v1alpha1.ReasonNameTaken, v1alpha1.ReasonRefused,
			v1alpha1.ReasonAPIServerFailing)
}

// helpdeskSecret makes what the helpdesk signs its calls with, once.
func (r *Reconciler) helpdeskSecret(ctx context.Context, s *scope) error {
	key := types.NamespacedName{Namespace: s.channel.Namespace, Name: manifests.HelpdeskName(s.channel.Name)}
	secret, _, err := r.obtainSecret(ctx, key, func() (*corev1.Secret, error) {
		value, err := r.newToken()
		return manifests.NewHelpdeskSecret(s.channel, value), err
	})
	if err != nil {
		return err
	}
	if !metav1.IsControlledBy(secret, s.channel) {
		return &foreignError{kind: "Secret", name: key.Name}
	}
	s.helpdeskSigns = true
	return r.supplement(ctx, manifests.HelpdeskSecretMetadata(s.channel), secret)
}

// helpdeskToken is where the receiver's pods have the helpdesk's token from. One that cannot be used any more stays
// where pods have it, because taking it away would restart them; one that never could is not given to them.
func (r *Reconciler) helpdeskToken(ctx context.Context, s *scope, deployment *appsv1.Deployment) (*v1alpha1.SecretKeyReference, error) {
	ref, _ := manifests.HelpdeskTokenRef(s.channel)
	if ref == nil || s.helpdeskTokenKnown {
		return ref, nil
	}
	if _, err := r.find(ctx, s, manifests.ReceiverName(s.channel.Name), deployment); err != nil {
		return nil, err
	}
	if manifests.MountsHelpdeskToken(deployment, *ref) {
		return ref, nil
	}
	return nil, nil
}

// place is where the channel is, as others see it. The callback's hostname is one cluster's only, so it tells the
// channels of several clusters apart in a helpdesk that they share.
func (r *Reconciler) place(s *scope) manifests.Place {
	host := ""
	if u, err := url.Parse(s.callbackURL); err == nil {
		host = u.Hostname()
	}
	return manifests.Place{CallbackURL: s.callbackURL, Installation: cmp.Or(r.Options.Installation, host, string(s.channel.UID))}
}

var conditionReason = regexp.MustCompile(`^[A-Z][A-Za-z]{0,63}$`)

// mirrorHelpdesk takes up what the receiver found about the helpdesk, if it is about the one that the spec names.
func (s *scope) mirrorHelpdesk(found *config.HelpdeskStatus, declared *config.Helpdesk) {
	if declared == nil || found == nil || (s.helpdeskReady != nil && s.helpdeskReady.status == metav1.ConditionFalse) {
		return
	}
	if kind, at := declared.Kind(); found.Kind != kind || found.URL != at || found.Group != s.channel.Spec.TargetGroup {
		return
	}
	reason := found.Reason
	if !conditionReason.MatchString(reason) {
		reason = v1alpha1.ReasonNotUnderstood
	}
	s.helpdeskReady = fails(reason, found.Message)
	if found.Ready {
		s.helpdeskReady = works(reason, found.Message)
	}
}
