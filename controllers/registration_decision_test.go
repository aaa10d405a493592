package controllers

import (
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

func TestDecideRegistration(t *testing.T) {
	const (
		ours    = "https://wa.example.com/helpdesk/support"
		earlier = "https://old.example.com/helpdesk/support"
		foreign = "https://elsewhere.example.com/webhook"
		sibling = "https://wa.example.com/helpdesk/sales"
		strange = "https://wa.example.com/payroll/complaints"
		appURL  = "https://app.example.com/webhook"
	)
	subscribedTo := func(fields ...string) []cloudapi.AppSubscription {
		subscription := cloudapi.AppSubscription{Object: cloudapi.SubscriptionObject, CallbackURL: appURL, Active: true}
		for _, field := range fields {
			subscription.Fields = append(subscription.Fields, cloudapi.SubscribedField{Name: field})
		}
		return []cloudapi.AppSubscription{{Object: "page", Active: true}, subscription}
	}
	// complete is a channel for which nothing is left to do.
	complete := func(mode v1alpha1.RegistrationMode, change ...func(*registrationFacts)) registrationFacts {
		f := registrationFacts{
			namespace: "helpdesk", channel: "support", mode: mode, callbackURL: ours, receiverAvailable: true,
			verifyToken: v1alpha1.SecretKeyReference{Name: "support-verify-token", Key: "verify-token"},
			appID:       "1", businessAccountID: "2", subscriptions: subscribedTo("messages"), subscribed: true,
			configuration: cloudapi.WebhookConfiguration{PhoneNumber: ours, Application: appURL},
		}
		for _, c := range change {
			c(&f)
		}
		return f
	}
	override := func(url string) func(*registrationFacts) {
		return func(f *registrationFacts) { f.configuration.PhoneNumber = url }
	}
	settling := func(f *registrationFacts) { f.callbackSettling = true }
	const fromStatus = "take-over=\"$(kubectl get wac support --namespace helpdesk --output jsonpath='{.status.registration.effectiveURL}')\""
	const automatic, manual = v1alpha1.RegistrationAutomatic, v1alpha1.RegistrationManual

	for name, tc := range map[string]struct {
		facts  registrationFacts
		step   step
		reason string
		says   string
		hides  string
	}{
		"automatic, complete":             {facts: complete(automatic), reason: v1alpha1.ReasonRegistered},
		"automatic, another verify token": {facts: complete(automatic, func(f *registrationFacts) { f.verifyTokenDue = true }), step: stepOverrideCallback},
		"automatic, another verify token, receiver down": {facts: complete(automatic, func(f *registrationFacts) {
			f.verifyTokenDue, f.receiverAvailable = true, false
		}), reason: v1alpha1.ReasonRegistered},
		"automatic, no override":          {facts: complete(automatic, override("")), step: stepOverrideCallback},
		"automatic, an earlier URL":       {facts: complete(automatic, override(earlier), func(f *registrationFacts) { f.ours = []string{earlier} }), step: stepOverrideCallback},
		"automatic, foreign":              {facts: complete(automatic, override(foreign)), reason: v1alpha1.ReasonForeignOverride, says: v1alpha1.TakeOverAnnotation + "=" + foreign},
		"automatic, take-over":            {facts: complete(automatic, override(foreign), func(f *registrationFacts) { f.takeOver = foreign }), step: stepOverrideCallback},
		"automatic, take-over of another": {facts: complete(automatic, override(foreign), func(f *registrationFacts) { f.takeOver = appURL }), reason: v1alpha1.ReasonForeignOverride},
		"automatic, foreign comes first":  {facts: complete(automatic, override(foreign), func(f *registrationFacts) { f.subscribed = false }), reason: v1alpha1.ReasonForeignOverride},
		"automatic, a sibling's":          {facts: complete(automatic, override(sibling)), reason: v1alpha1.ReasonForeignOverride, says: sibling},
		"automatic, another namespace's":  {facts: complete(automatic, override(strange)), reason: v1alpha1.ReasonForeignOverride, says: fromStatus, hides: strange},
		"automatic, another namespace's at another host": {facts: complete(automatic, override(foreign), func(f *registrationFacts) {
			f.takenByChannel, f.takenElsewhere = true, true
		}), reason: v1alpha1.ReasonForeignOverride, says: fromStatus, hides: foreign},
		"automatic, account-level foreign": {facts: complete(automatic, override(""), func(f *registrationFacts) { f.configuration.BusinessAccount = foreign }), step: stepOverrideCallback},
		"automatic, app not subscribed":    {facts: complete(automatic, func(f *registrationFacts) { f.subscriptions = nil }), reason: v1alpha1.ReasonAppNotSubscribed, says: "CreateIfAbsent"},
		"automatic, app may be subscribed": {facts: complete(automatic, func(f *registrationFacts) {
			f.subscriptions, f.appSubscription = nil, v1alpha1.AppSubscriptionCreateIfAbsent
		}), step: stepCreateAppSubscription},
		"automatic, app may be subscribed later": {facts: complete(automatic, func(f *registrationFacts) {
			f.subscriptions, f.appSubscription, f.receiverAvailable = nil, v1alpha1.AppSubscriptionCreateIfAbsent, false
		}), reason: v1alpha1.ReasonWaitingForReceiver},
		"automatic, an app's subscription is never replaced": {facts: complete(automatic, func(f *registrationFacts) {
			f.subscriptions, f.appSubscription = subscribedTo("account_update"), v1alpha1.AppSubscriptionCreateIfAbsent
		}), reason: v1alpha1.ReasonFieldNotSubscribed},
		"automatic, subscription paused": {facts: complete(automatic, func(f *registrationFacts) { f.subscriptions[1].Active = false }), reason: v1alpha1.ReasonFieldNotSubscribed},
		"automatic, account":             {facts: complete(automatic, func(f *registrationFacts) { f.subscribed = false }), step: stepSubscribeApp},
		"automatic, receiver down":       {facts: complete(automatic, override(""), func(f *registrationFacts) { f.receiverAvailable = false }), reason: v1alpha1.ReasonWaitingForReceiver},
		"automatic, receiver down later": {facts: complete(automatic, func(f *registrationFacts) { f.receiverAvailable = false }), reason: v1alpha1.ReasonRegistered},

		"automatic, callback not routed yet": {facts: complete(automatic, override(""), settling), reason: v1alpha1.ReasonWaitingForCallback},
		"automatic, app may be subscribed when the callback is routed": {facts: complete(automatic, settling, func(f *registrationFacts) {
			f.subscriptions, f.appSubscription = nil, v1alpha1.AppSubscriptionCreateIfAbsent
		}), reason: v1alpha1.ReasonWaitingForCallback},
		"automatic, account does not need the callback": {facts: complete(automatic, settling, func(f *registrationFacts) { f.subscribed = false }), step: stepSubscribeApp},
		"automatic, foreign does not wait":              {facts: complete(automatic, override(foreign), settling), reason: v1alpha1.ReasonForeignOverride},

		"manual, by override": {facts: complete(manual), reason: v1alpha1.ReasonRegistered},
		"manual, by the app": {facts: complete(manual, func(f *registrationFacts) {
			f.configuration = cloudapi.WebhookConfiguration{Application: ours}
		}), reason: v1alpha1.ReasonRegistered},
		"manual, nothing pasted": {facts: complete(manual, func(f *registrationFacts) {
			f.configuration = cloudapi.WebhookConfiguration{}
		}), reason: v1alpha1.ReasonNotRegistered, says: "no callback URL at present"},
		"manual, something else pasted": {facts: complete(manual, override("")), reason: v1alpha1.ReasonNotRegistered, says: "Meta has " + appURL},
		"manual, shadowed by the number": {facts: complete(manual, override(foreign), func(f *registrationFacts) {
			f.configuration.Application = ours
		}), reason: v1alpha1.ReasonNotRegistered, says: "Meta has " + foreign},
		"manual, shadowed by another namespace's": {facts: complete(manual, override(strange)), reason: v1alpha1.ReasonNotRegistered, says: "in another namespace", hides: strange},
		"manual, another channel's":               {facts: complete(manual, override(""), func(f *registrationFacts) { f.takenByChannel = true }), reason: v1alpha1.ReasonAppCallbackTaken},
		"manual, app":                             {facts: complete(manual, func(f *registrationFacts) { f.subscriptions = nil }), reason: v1alpha1.ReasonAppNotSubscribed},
		"manual, field":                           {facts: complete(manual, func(f *registrationFacts) { f.subscriptions = subscribedTo() }), reason: v1alpha1.ReasonFieldNotSubscribed},
		"manual, account":                         {facts: complete(manual, func(f *registrationFacts) { f.subscribed = false }), reason: v1alpha1.ReasonAccountNotSubscribed},
		"left out is manual":                      {facts: complete("", override("")), reason: v1alpha1.ReasonNotRegistered},
	} {
		t.Run(name, func(t *testing.T) {
			decision := decideRegistration(tc.facts)
			if decision.step != tc.step {
				t.Fatalf("the next step is %q, not %q", decision.step, tc.step)
			}
			if tc.step != stepNone {
				return
			}
			if decision.finding.reason != tc.reason || !strings.Contains(decision.finding.message, tc.says) {
				t.Errorf("it says %s: %s", decision.finding.reason, decision.finding.message)
			}
			if tc.hides != "" && strings.Contains(decision.finding.message, tc.hides) {
				t.Errorf("it names what is another namespace's: %s", decision.finding.message)
			}
		})
	}
}
