package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// errNotShownYet keeps a reconciliation from counting as done where Meta's answer does not show yet what was written.
var errNotShownYet = errors.New("the change does not show at Meta yet")

// maxRegistrationSteps bounds the writes of one reconciliation: each kind once, and the read-back.
const maxRegistrationSteps = 4

// register reads back what Meta has and, with Automatic registration, brings it to what the channel wants.
func (r *Reconciler) register(ctx context.Context, s *scope) error {
	switch {
	case s.callbackURL == "":
		s.registered = fails(v1alpha1.ReasonHostnameMissing, hostnameMissing)
		return nil
	case s.credentials != nil && !s.proven():
		s.registered = unknown(v1alpha1.ReasonWaitingForCredentials, "The registration is looked at as soon as the credentials are valid: see CredentialsValid.")
		return nil
	case s.number == nil || !s.held:
		if s.phoneNumber != nil {
			s.registered = unknown(v1alpha1.ReasonWaitingForPhoneNumber, "The registration is looked at as soon as the phone number is known to be this channel's: see PhoneNumberReady.")
		}
		return nil
	case !s.proven() || s.graphFailure != nil:
		return nil
	case !s.verifyToken.known():
		s.registered = fails(v1alpha1.ReasonWaitingForReceiver, "The registration is looked at as soon as the verify token is known: see ReceiverAvailable.")
		return nil
	}
	facts := s.registrationFacts()
	for attempt := range maxRegistrationSteps {
		if attempt > 0 {
			// What is known of Meta is outdated by the write.
			s.refresh.maxAge, facts.subscriptions = 0, nil
		}
		if failed, err := r.readRegistration(ctx, s, &facts); failed || err != nil {
			return err
		}
		decision := decideRegistration(facts)
		if decision.step == stepNone {
			s.registered = decision.finding
			s.settleRegistration(facts)
			return nil
		}
		if !s.prepared() {
			return r.prepare(ctx, s, facts)
		}
		if err := r.perform(ctx, s, decision.step); err != nil {
			s.registered = s.registrationRefused(err)
			return nil
		}
		log.FromContext(ctx).Info("Changed the registration at Meta", "step", decision.step.String())
		if decision.step == stepOverrideCallback {
			facts.verifyTokenDue = false
			if err := r.confirmVerifyToken(ctx, s); err != nil {
				return err
			}
		}
	}
	s.registered = fails(v1alpha1.ReasonRegistering, "Meta accepted the callback URL and does not show it yet.")
	s.graphFailure = errNotShownYet
	return nil
}

// registrationFacts gathers what is known without asking Meta again.
func (s *scope) registrationFacts() registrationFacts {
	spec := s.channel.Spec
	facts := registrationFacts{
		namespace:         s.channel.Namespace,
		channel:           s.channel.Name,
		mode:              spec.Callback.Registration,
		appSubscription:   spec.Callback.AppSubscription,
		takeOver:          s.channel.Annotations[v1alpha1.TakeOverAnnotation],
		callbackURL:       s.callbackURL,
		verifyToken:       *s.verifyTokenRef,
		receiverAvailable: s.available,
		appID:             s.app.ID,
		businessAccountID: spec.BusinessAccountID,
		subscriptions:     s.subscriptions,
		verifyTokenDue:    s.verifyTokenDue(),
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

// readRegistration asks Meta what it has. It reports whether that failed; what to say is then noted.
func (r *Reconciler) readRegistration(ctx context.Context, s *scope, facts *registrationFacts) (failed bool, err error) {
	if facts.subscriptions == nil {
		app := cloudapi.App{ID: s.app.ID, Secret: s.appSecret.value}
		subscriptions, err := r.graph.appSubscriptions(ctx, s.refresh.maxAge, app)
		if err != nil {
			s.registered = s.registrationRefused(err)
			return true, nil
		}
		facts.subscriptions = subscriptions
	}
	apps, err := r.graph.subscribedApps(ctx, s.refresh.maxAge, s.access(), facts.businessAccountID)
	if err != nil {
		s.registered = s.registrationRefused(err)
		return true, nil
	}
	facts.subscribed = slices.ContainsFunc(apps, func(app cloudapi.SubscribedApp) bool { return app.ID == facts.appID })
	facts.configuration, err = r.graph.webhookConfiguration(ctx, s.access(), s.number.ID)
	if err != nil {
		s.registered = s.registrationRefused(err)
		return true, nil
	}
	facts.takenByChannel, err = r.otherChannelHas(ctx, s, facts.configuration.Effective())
	return false, err
}

// otherChannelHas reports whether a callback URL is that of another channel of this operator.
func (r *Reconciler) otherChannelHas(ctx context.Context, s *scope, url string) (bool, error) {
	if url == "" || url == s.callbackURL {
		return false, nil
	}
	channels := &v1alpha1.WhatsAppChannelList{}
	if err := r.Client.List(ctx, channels, client.MatchingFields{callbackURLIndex: url}); err != nil {
		return false, err
	}
	return slices.ContainsFunc(channels.Items, func(c v1alpha1.WhatsAppChannel) bool { return c.UID != s.channel.UID }), nil
}

// prepared reports whether a write at Meta is safe: the finalizer is there to take it back, and status knows the URL,
// so that it is recognised as the operator's own even if the operator ends right after the write.
func (s *scope) prepared() bool {
	known := s.channel.Status.Registration
	return hasFinalizer(s.channel) && known != nil && (known.IntendedURL == s.callbackURL || known.URL == s.callbackURL)
}

// prepare makes the next reconciliation safe to write. What is known of Meta stays known.
func (r *Reconciler) prepare(ctx context.Context, s *scope, facts registrationFacts) error {
	if err := r.addFinalizer(ctx, s); err != nil {
		return err
	}
	s.registration = s.channel.Status.Registration.DeepCopy()
	if s.registration == nil {
		s.registration = &v1alpha1.RegistrationStatus{}
	}
	if override := facts.configuration.PhoneNumber; slices.Contains(facts.ours, override) {
		s.registration.URL = override
	}
	s.registration.IntendedURL = s.callbackURL
	s.registered = fails(v1alpha1.ReasonRegistering, "The callback URL is about to be written at Meta.")
	s.again = true
	return nil
}

// settleRegistration notes whose callback URL Meta has, once it was read and nothing is left to do.
func (s *scope) settleRegistration(facts registrationFacts) {
	status := &v1alpha1.RegistrationStatus{EffectiveURL: bounded(facts.configuration.Effective(), 2048)}
	override := facts.configuration.PhoneNumber
	switch {
	case override != "" && slices.Contains(facts.ours, override):
		status.URL = override
	case override == facts.callbackURL && facts.mode == v1alpha1.RegistrationAutomatic:
		status.URL = facts.callbackURL
	}
	if known := s.channel.Status.Registration; known != nil && known.IntendedURL != "" && known.IntendedURL != status.URL && status.URL != s.callbackURL {
		// It may still be written: what is on the way must stay recognisable.
		status.IntendedURL = known.IntendedURL
	}
	s.registration = status
}

func (r *Reconciler) perform(ctx context.Context, s *scope, next step) error {
	switch next {
	case stepCreateAppSubscription:
		app := cloudapi.App{ID: s.app.ID, Secret: s.appSecret.value}
		return r.graph.createAppSubscription(ctx, app, s.callbackURL, s.verifyToken.value, []string{messagesField})
	case stepSubscribeApp:
		return r.graph.subscribeApp(ctx, s.access(), s.channel.Spec.BusinessAccountID)
	case stepOverrideCallback:
		return r.graph.overrideCallback(ctx, s.access(), s.number.ID, s.callbackURL, s.verifyToken.value)
	}
	return nil
}

// registrationRefused words what Meta answered to a call about the registration.
func (s *scope) registrationRefused(err error) *finding {
	switch cloudapi.ClassOf(err) {
	case cloudapi.ClassCallbackVerification:
		s.graphFailure = err
		return fails(v1alpha1.ReasonCallbackVerificationFailed, fmt.Sprintf(
			"Meta called the callback URL and did not get its challenge back. %s %s The operator tries again.", sentence(err), s.ownFinding()))
	case cloudapi.ClassNotSubscribed:
		s.graphFailure = err
		return fails(v1alpha1.ReasonRegistering, "Meta does not know yet that the app is subscribed to the business account. The operator tries again.")
	case cloudapi.ClassInvalidToken, cloudapi.ClassPermission, cloudapi.ClassAppSecret, cloudapi.ClassInvalidRequest,
		cloudapi.ClassNotFound, cloudapi.ClassPolicy:
		return fails(v1alpha1.ReasonRefused, "Meta refuses to read or change the registration. "+sentence(err))
	}
	return s.unanswered(v1alpha1.ConditionWebhookRegistered, err)
}

// ownFinding repeats what the operator's own handshake found, which mostly explains Meta's.
func (s *scope) ownFinding() string {
	if s.callback == nil {
		return ""
	}
	return s.callback.message
}

func (n step) String() string {
	switch n {
	case stepCreateAppSubscription:
		return "subscribe the app"
	case stepSubscribeApp:
		return "subscribe the app to the business account"
	case stepOverrideCallback:
		return "set the phone number's callback URL"
	}
	return "none"
}
