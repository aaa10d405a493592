package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// errNotShownYet keeps a reconciliation from counting as done where Meta's answer does not show yet what was written.
var errNotShownYet = errors.New("the change does not show at Meta yet")

// maxRegistrationSteps bounds the writes of one reconciliation: each kind once, and the read-back.
const maxRegistrationSteps = 4

// register looks at the registration. Where the API server does not take what has to be noted of it, what Meta said was not acted
// on to the end: the next reconciliation looks at it again, or where only a person can help, one when Meta is asked again.
func (r *Reconciler) register(ctx context.Context, s *scope) error {
	failure := r.bringAbout(ctx, s)
	err := s.tellRefusal(failure, &s.registered)
	s.interrupted = err != nil
	if failure != nil && err == nil {
		s.graphFailure = failure
	}
	return err
}

// bringAbout reads back what Meta has and, with Automatic registration, brings it to what the channel wants.
func (r *Reconciler) bringAbout(ctx context.Context, s *scope) error {
	if !s.mayRegister() {
		return nil
	}
	facts, err := r.readRegistration(ctx, s)
	if facts == nil || err != nil {
		return err
	}
	if s.needsRead(decideRegistration(*facts)) {
		if read, err := r.readConfiguration(ctx, s, facts); err != nil || !read {
			return err
		}
	}
	for range maxRegistrationSteps {
		decision := decideRegistration(*facts)
		if decision.step == stepNone {
			return r.settle(ctx, s, *facts, decision.finding)
		}
		if !s.prepared() {
			return r.prepare(ctx, s, *facts)
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
		// What is known of Meta is outdated by the write.
		if err := r.readBack(ctx, s, facts, decision.step); err != nil {
			s.registered = s.registrationRefused(err)
			return nil
		}
		if read, err := r.readConfiguration(ctx, s, facts); err != nil || !read {
			return err
		}
	}
	s.registered = fails(v1alpha1.ReasonRegistering, "Meta accepted the callback URL and does not show it yet.")
	s.graphFailure = errNotShownYet
	return nil
}

// mayRegister reports whether all is known that a registration needs, and says where it is not.
func (s *scope) mayRegister() bool {
	switch {
	case s.callbackURL == "":
		s.registered = fails(v1alpha1.ReasonHostnameMissing, hostnameMissing)
		return false
	case s.credentials != nil && !s.proven():
		s.registered = unknown(v1alpha1.ReasonWaitingForCredentials, "The registration is looked at as soon as the credentials are valid: see CredentialsValid.")
		return false
	case s.number == nil || !s.held:
		if s.phoneNumber != nil {
			s.registered = unknown(v1alpha1.ReasonWaitingForPhoneNumber, "The registration is looked at as soon as the phone number is known to be this channel's: see PhoneNumberReady.")
		}
		return false
	case !s.proven() || s.graphFailure != nil || s.configuration == nil:
		return false
	case !s.verifyToken.known():
		s.registered = fails(v1alpha1.ReasonWaitingForReceiver, "The registration is looked at as soon as the verify token is known: see ReceiverAvailable.")
		return false
	}
	return true
}

// appAtMeta is the app that the access token belongs to, with the app secret.
func (s *scope) appAtMeta() cloudapi.App {
	return cloudapi.App{ID: s.app.ID, Secret: s.appSecret.value}
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

// settle notes whose callback URL Meta has, once it was read and nothing is left to do. Of one that is taken for the operator's
// own, the deletion has to know, even where this operator never wrote it: the cluster may be a restored one.
func (r *Reconciler) settle(ctx context.Context, s *scope, facts registrationFacts, found *finding) error {
	status := &v1alpha1.RegistrationStatus{URL: facts.ownOverride(), EffectiveURL: bounded(facts.configuration.Effective(), 2048)}
	if status.URL != "" {
		if err := r.addFinalizer(ctx, s); err != nil {
			return err
		}
	}
	if known := s.channel.Status.Registration; known != nil && known.IntendedURL != "" && known.IntendedURL != status.URL && status.URL != s.callbackURL {
		// It may still be written: what is on the way must stay recognisable.
		status.IntendedURL = known.IntendedURL
	}
	s.registered, s.registration = found, status
	return nil
}

func (r *Reconciler) perform(ctx context.Context, s *scope, next step) error {
	switch next {
	case stepCreateAppSubscription:
		return r.graph.createAppSubscription(ctx, s.appAtMeta(), s.callbackURL, s.verifyToken.value, []string{messagesField})
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
		return fails(v1alpha1.ReasonCallbackVerificationFailed, s.explainVerification(err))
	case cloudapi.ClassNotSubscribed:
		s.graphFailure = err
		return fails(v1alpha1.ReasonRegistering, "Meta does not know yet that the app is subscribed to the business account. The operator tries again.")
	case cloudapi.ClassInvalidToken, cloudapi.ClassPermission, cloudapi.ClassAppSecret, cloudapi.ClassInvalidRequest,
		cloudapi.ClassNotFound, cloudapi.ClassPolicy:
		return fails(v1alpha1.ReasonRefused, "Meta refuses to read or change the registration. "+sentence(err))
	}
	return s.unanswered(v1alpha1.ConditionWebhookRegistered, err)
}

// explainVerification says why Meta's handshake failed, by what the operator's own found, which mostly explains Meta's.
func (s *scope) explainVerification(err error) string {
	last := s.memory.probe
	switch {
	case last.finding == nil:
		return "Meta called the callback URL and did not get its challenge back. " + sentence(err) + " The operator tries again."
	case last.failures == 0:
		return "Meta could not verify the callback URL, although the operator's own handshake through it succeeds: it is reachable from the cluster but not from the Internet, or its certificate is not one that Meta trusts. " + sentence(err) + " The operator tries again."
	}
	text := fmt.Sprintf("Meta could not verify the callback URL, because %s. ", last.cause)
	if s.exposure != nil {
		text += s.exposure.message + " "
	}
	return text + sentence(err) + " The operator tries again."
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
