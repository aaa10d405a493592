package controllers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// messagesField is the webhook field that carries customers' messages and statuses.
const messagesField = "messages"

// registrationFacts is all that decides about a registration.
type registrationFacts struct {
	namespace string
	channel   string

	mode            v1alpha1.RegistrationMode
	appSubscription v1alpha1.AppSubscriptionMode
	takeOver        string

	callbackURL string
	// ours are URLs that the operator wrote or was about to write for this channel.
	ours []string
	// verifyToken is where the verify token is.
	verifyToken v1alpha1.SecretKeyReference
	// receiverAvailable says that Meta's handshake could be answered.
	receiverAvailable bool
	// callbackSettling says that Meta's handshake would fail at present, and probably succeed in a moment.
	callbackSettling bool

	appID             string
	businessAccountID string
	subscriptions     []cloudapi.AppSubscription
	// subscribed says that the app gets the business account's webhooks.
	subscribed    bool
	configuration cloudapi.WebhookConfiguration
	// verifyTokenDue says that Meta is to make its handshake again, because another verify token took the place of the one
	// that it knows.
	verifyTokenDue bool
	// takenByChannel says that the effective URL is that of another channel.
	takenByChannel bool
	// takenElsewhere says that it is that of a channel in another namespace.
	takenElsewhere bool
}

// step is a write at Meta.
type step int

const (
	stepNone step = iota
	stepCreateAppSubscription
	stepSubscribeApp
	stepOverrideCallback
)

// registrationDecision is what to do next, or what to say where there is nothing to do.
type registrationDecision struct {
	step    step
	finding *finding
}

func say(f *finding) registrationDecision { return registrationDecision{finding: f} }

func do(next step) registrationDecision { return registrationDecision{step: next} }

// decideRegistration compares what Meta has with what the channel wants. It is asked again after every step.
func decideRegistration(f registrationFacts) registrationDecision {
	if f.mode == v1alpha1.RegistrationAutomatic {
		return decideAutomatic(f)
	}
	return decideManual(f)
}

func decideAutomatic(f registrationFacts) registrationDecision {
	override := f.configuration.PhoneNumber
	if override != "" && override != f.callbackURL && override != f.takeOver && !slices.Contains(f.ours, override) {
		return say(fails(v1alpha1.ReasonForeignOverride, f.takeOverInstruction(override)))
	}
	subscription, subscribed := f.whatsAppSubscription()
	switch {
	case !subscribed && f.appSubscription != v1alpha1.AppSubscriptionCreateIfAbsent:
		return say(fails(v1alpha1.ReasonAppNotSubscribed, fmt.Sprintf(
			"App %s has no webhook subscription for WhatsApp, without which Meta delivers nothing. Set spec.callback.appSubscription: CreateIfAbsent, or configure the webhook in the app's dashboard.", f.appID)))
	case subscribed && !subscription.HasField(messagesField):
		return say(f.fieldMissing())
	case !subscribed && !f.receiverAvailable, f.subscribed && override != f.callbackURL && !f.receiverAvailable:
		return say(fails(v1alpha1.ReasonWaitingForReceiver, "The callback URL is registered as soon as the receiver can answer Meta's handshake: see ReceiverAvailable."))
	case f.callbackSettling && (!subscribed || f.subscribed && override != f.callbackURL):
		return say(fails(v1alpha1.ReasonWaitingForCallback, "The callback URL does not answer the operator's own handshake yet. It is registered as soon as it does, or in half a minute in any case: see CallbackReachable."))
	case !subscribed:
		return do(stepCreateAppSubscription)
	case !f.subscribed:
		return do(stepSubscribeApp)
	case override != f.callbackURL, f.verifyTokenDue && f.receiverAvailable:
		return do(stepOverrideCallback)
	}
	return say(works(v1alpha1.ReasonRegistered, "Meta calls this channel for this phone number."))
}

func decideManual(f registrationFacts) registrationDecision {
	subscription, subscribed := f.whatsAppSubscription()
	effective := f.configuration.Effective()
	switch {
	case f.takenByChannel && effective != f.callbackURL:
		return say(fails(v1alpha1.ReasonAppCallbackTaken,
			"Meta calls another channel for this phone number: the app has one callback URL, and another channel uses it. Set spec.callback.registration: Automatic, which gives each phone number a callback URL of its own."))
	case effective != f.callbackURL:
		return say(fails(v1alpha1.ReasonNotRegistered, f.pasteInstruction(effective)))
	case !subscribed:
		return say(fails(v1alpha1.ReasonAppNotSubscribed, fmt.Sprintf(
			"App %s has no webhook subscription for WhatsApp, without which Meta delivers nothing. Configure the webhook in the app's dashboard, WhatsApp > Configuration, and subscribe the field messages.", f.appID)))
	case !subscription.HasField(messagesField):
		return say(f.fieldMissing())
	case !f.subscribed:
		return say(fails(v1alpha1.ReasonAccountNotSubscribed, fmt.Sprintf(
			"App %s does not get the webhooks of business account %s. Set spec.callback.registration: Automatic, or send Meta: POST /%s/subscribed_apps with the access token.",
			f.appID, f.businessAccountID, f.businessAccountID)))
	}
	return say(works(v1alpha1.ReasonRegistered, "Meta calls this channel for this phone number."))
}

// ownOverride is the phone number's callback URL where that is the channel's own, or nothing.
func (f registrationFacts) ownOverride() string {
	override := f.configuration.PhoneNumber
	if slices.Contains(f.ours, override) || f.mode == v1alpha1.RegistrationAutomatic && override == f.callbackURL {
		return override
	}
	return ""
}

// whatsAppSubscription returns the app's subscription for WhatsApp, and whether it has one.
func (f registrationFacts) whatsAppSubscription() (cloudapi.AppSubscription, bool) {
	for _, subscription := range f.subscriptions {
		if subscription.Object == cloudapi.SubscriptionObject {
			return subscription, true
		}
	}
	return cloudapi.AppSubscription{}, false
}

func (f registrationFacts) fieldMissing() *finding {
	return fails(v1alpha1.ReasonFieldNotSubscribed, fmt.Sprintf(
		"The webhook subscription of app %s is not active or lacks the field messages, so customers' messages are not delivered. Subscribe the field in the app's dashboard, WhatsApp > Configuration > Webhook fields.", f.appID))
}

func (f registrationFacts) takeOverInstruction(override string) string {
	if f.namesAnotherNamespace(override) {
		return fmt.Sprintf(
			"This phone number's callback URL is that of a channel in another namespace, which is there or was. To replace it, run: kubectl annotate wac %[1]s --namespace %[2]s --overwrite %[3]s=\"$(kubectl get wac %[1]s --namespace %[2]s --output jsonpath='{.status.registration.effectiveURL}')\"",
			f.channel, f.namespace, v1alpha1.TakeOverAnnotation)
	}
	return fmt.Sprintf(
		"Somebody else set this phone number's callback URL to %s. To replace it, run: kubectl annotate wac %s --namespace %s --overwrite %s=%s",
		override, f.channel, f.namespace, v1alpha1.TakeOverAnnotation, override)
}

// namesAnotherNamespace reports whether the effective URL is that of a channel in another namespace, which is never named. The
// URL of one that is gone is told by where this channel's own leads.
func (f registrationFacts) namesAnotherNamespace(url string) bool {
	front := strings.TrimSuffix(f.callbackURL, config.CallbackPath(f.namespace, f.channel))
	path, routed := strings.CutPrefix(url, front+"/")
	namespace, name, whole := strings.Cut(path, "/")
	return f.takenElsewhere || routed && whole && !strings.Contains(name, "/") && namespace != f.namespace
}

func (f registrationFacts) pasteInstruction(effective string) string {
	has := "Meta has no callback URL at present"
	switch {
	case effective == "":
	case f.namesAnotherNamespace(effective):
		has = "Meta has that of a channel in another namespace at present"
	default:
		has = "Meta has " + effective + " at present"
	}
	return fmt.Sprintf(
		"Paste the callback URL %s and the verify token into the app's dashboard, WhatsApp > Configuration; %s. The verify token is printed by: kubectl get secret %s --namespace %s --output go-template='{{index .data %q | base64decode}}'",
		f.callbackURL, has, f.verifyToken.Name, f.namespace, f.verifyToken.Key)
}
