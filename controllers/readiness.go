package controllers

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// A policy looks at one thing that a ready channel needs, and returns what is wrong with it, or nil.
type policy func(*scope, map[string]*finding) *finding

// readiness are the policies, in the order in which a person would put things right: what comes later mostly cannot
// work before what comes earlier does. The first that is not met is what Ready says. CallbackReachable is not among
// them: Meta's word counts, not the cluster's view of its own front door.
var readiness = []policy{
	// The spec breaks no rule.
	func(s *scope, _ map[string]*finding) *finding { return s.invalidSpec },
	// Meta accepts the access token and the app secret.
	needs(v1alpha1.ConditionCredentialsValid),
	// The phone number is found, this channel's, and can send and receive.
	needs(v1alpha1.ConditionPhoneNumberReady),
	// The receiver takes webhooks.
	needs(v1alpha1.ConditionReceiverAvailable),
	// It has room for them.
	func(s *scope, _ map[string]*finding) *finding {
		if receiver := s.receiverStatus; receiver != nil && receiver.TurningAway != "" {
			return fails(v1alpha1.ReasonTurningAway, "Webhooks are turned away at present, and Meta sends them again for seven days. "+receiver.TurningAway)
		}
		return nil
	},
	// What it takes is not known to be at risk. A receiver that has not said is given the benefit of the doubt.
	func(_ *scope, findings map[string]*finding) *finding {
		if f := findings[v1alpha1.ConditionDurable]; f.status == metav1.ConditionFalse {
			return f
		}
		return nil
	},
	// Tickets can be opened, and agents' replies come back. A receiver that told is not doubted for being silent now.
	func(s *scope, findings map[string]*finding) *finding {
		if findings[v1alpha1.ConditionHelpdeskReady].reason == v1alpha1.ReasonReceiverSilent && s.onceTold() {
			return nil
		}
		return needs(v1alpha1.ConditionHelpdeskReady)(s, findings)
	},
	// The way in for Meta's calls could be made as it is declared.
	func(s *scope, _ map[string]*finding) *finding { return s.exposureRefused() },
	// Meta calls this channel for this number.
	needs(v1alpha1.ConditionWebhookRegistered),
	// The receiver can send.
	func(s *scope, _ map[string]*finding) *finding {
		if receiver := s.receiverStatus; receiver != nil && receiver.SendingError != "" {
			return fails(v1alpha1.ReasonSendingStopped, "Messages arrive and cannot be answered at present: "+strings.TrimSuffix(receiver.SendingError, ".")+".")
		}
		return nil
	},
	// It has the volume that is declared.
	func(_ *scope, findings map[string]*finding) *finding {
		if f := findings[v1alpha1.ConditionReceiverAvailable]; f.reason == v1alpha1.ReasonVolumeNotEnlarged {
			return fails(f.reason, f.message)
		}
		return nil
	},
	// What works is also wanted to.
	func(s *scope, _ map[string]*finding) *finding {
		if s.channel.Spec.Delivery == v1alpha1.DeliveryHeld {
			return fails(v1alpha1.ReasonHeld, "Everything works and is stored, but spec.delivery is Held: nothing is sent to the helpdesk or to customers. Set it to Active to send what waits, in order.")
		}
		return nil
	},
}

func needs(conditionType string) policy {
	return func(_ *scope, findings map[string]*finding) *finding {
		if f := findings[conditionType]; f.status != metav1.ConditionTrue {
			return f
		}
		return nil
	}
}

// summarize returns what Ready says, and whether a person has to act.
func summarize(s *scope, findings map[string]*finding) (ready *finding, stalled bool) {
	for _, unmet := range readiness {
		if f := unmet(s, findings); f != nil {
			stalled = f.needsPerson()
			return f, stalled
		}
	}
	return works(v1alpha1.ReasonReady, "Customers' messages arrive, and replies go out."), false
}
