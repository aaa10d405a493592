package controllers

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// registrationFacts gathers what is known without asking Meta again.
func (s *scope) registrationFacts() *registrationFacts {
	spec := s.channel.Spec
	facts := &registrationFacts{
		namespace:         s.channel.Namespace,
		channel:           s.channel.Name,
		mode:              spec.Callback.Registration,
		appSubscription:   spec.Callback.AppSubscription,
		takeOver:          s.channel.Annotations[v1alpha1.TakeOverAnnotation],
		callbackURL:       s.callbackURL,
		verifyToken:       *s.verifyTokenRef,
		receiverAvailable: s.available,
		callbackSettling:  s.callbackSettling(),
		appID:             s.app.ID,
		businessAccountID: spec.BusinessAccountID,
		subscriptions:     s.subscriptions,
		verifyTokenDue:    s.verifyTokenDue(),
		configuration:     *s.configuration,
	}
	if known := s.channel.Status.Registration; known != nil {
		for _, url := range []string{known.URL, known.IntendedURL} {
			if url != "" {
				facts.ours = append(facts.ours, url)
			}
		}
	}
	return facts
}

// readRegistration gathers what Meta has. It returns nil where Meta could not be asked; what to say is then noted.
func (r *Reconciler) readRegistration(ctx context.Context, s *scope) (facts *registrationFacts, err error) {
	facts = s.registrationFacts()
	if facts.subscribed, err = r.appSubscribed(ctx, s, s.refresh.fresh); err != nil {
		s.registered = s.registrationRefused(err)
		return nil, nil
	}
	if !facts.subscribed && facts.mode == v1alpha1.RegistrationAutomatic && s.refresh.fresh.maxAge > 0 {
		// Another channel of the account may have subscribed the app a moment ago.
		if facts.subscribed, err = r.appSubscribed(ctx, s, exact()); err != nil {
			s.registered = s.registrationRefused(err)
			return nil, nil
		}
	}
	return facts, r.findHolder(ctx, s, facts)
}

// needsRead reports whether to read the number's own configuration before a decision counts. The list of numbers, which
// channels share, is good enough to see that nothing is to be done, but not to write by, nor to come to say that somebody else
// has the number: that may be an older channel, which has let go of it since.
func (s *scope) needsRead(decision registrationDecision) bool {
	return decision.step != stepNone ||
		decision.finding.reason == v1alpha1.ReasonForeignOverride && !s.hasReason(v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonForeignOverride)
}

// readConfiguration reads where the number's webhooks go, and whose that is. It reports false where Meta could not be asked;
// what to say is then noted.
func (r *Reconciler) readConfiguration(ctx context.Context, s *scope, facts *registrationFacts) (read bool, err error) {
	configuration, err := r.graph.webhookConfiguration(ctx, s.access(), s.number.ID)
	if err != nil {
		s.registered = s.registrationRefused(err)
		return false, nil
	}
	facts.configuration = configuration
	return true, r.findHolder(ctx, s, facts)
}

// findHolder finds out whether the effective callback URL is that of another channel of this operator.
func (r *Reconciler) findHolder(ctx context.Context, s *scope, facts *registrationFacts) error {
	facts.takenByChannel, facts.takenElsewhere = false, false
	url := facts.configuration.Effective()
	if url == "" || url == s.callbackURL {
		return nil
	}
	channels := &v1alpha1.WhatsAppChannelList{}
	if err := r.Client.List(ctx, channels, client.MatchingFields{callbackURLIndex: url}); err != nil {
		return err
	}
	for i := range channels.Items {
		if holder := &channels.Items[i]; holder.UID != s.channel.UID {
			facts.takenByChannel = true
			facts.takenElsewhere = facts.takenElsewhere || holder.Namespace != s.channel.Namespace
		}
	}
	return nil
}

// callbackSettling reports whether the callback URL, which is to be registered for the first time, does not answer the
// operator's own handshake yet and may be about to: what routes it learns of a new receiver a moment late. It is not
// waited for long, because Meta may well reach what the cluster does not.
func (s *scope) callbackSettling() bool {
	const patience = 4 // Failed handshakes, which take half a minute.
	known := s.channel.Status.Registration
	return (known == nil || known.URL != s.callbackURL) &&
		s.callback != nil && s.callback.status == metav1.ConditionFalse && s.memory.probe.failures > 0 && s.memory.probe.failures <= patience
}

// readBack reads what a step changed besides the number's own configuration.
func (r *Reconciler) readBack(ctx context.Context, s *scope, facts *registrationFacts, done step) (err error) {
	switch done {
	case stepCreateAppSubscription:
		facts.subscriptions, err = r.graph.appSubscriptions(ctx, exact(), s.appAtMeta())
	case stepSubscribeApp:
		facts.subscribed, err = r.appSubscribed(ctx, s, exact())
	}
	return err
}

// appSubscribed reports whether the app gets the business account's webhooks.
func (r *Reconciler) appSubscribed(ctx context.Context, s *scope, fresh *freshness) (bool, error) {
	apps, err := r.graph.subscribedApps(ctx, fresh, s.access(), s.channel.Spec.BusinessAccountID)
	return slices.ContainsFunc(apps, func(app cloudapi.SubscribedApp) bool { return app.ID == s.app.ID }), err
}
