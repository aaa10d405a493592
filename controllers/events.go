package controllers

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// warnings are what Events say of conditions that are True and need a person all the same, by the condition's reason.
var warnings = map[string]string{
	v1alpha1.ReasonTokenExpiring:      "The access token ends within 14 days. Put a new one into the Secret.",
	v1alpha1.ReasonSendingLimited:     "Meta limits what the phone number may send. The message of PhoneNumberReady says why.",
	v1alpha1.ReasonQualityLow:         "Meta rates the phone number's quality RED. Messages that customers block or report lead to limits.",
	v1alpha1.ReasonVolumeNotEnlarged:  "The volume could not be enlarged, and the receiver goes on with what it has. The message of ReceiverAvailable says why.",
	v1alpha1.ReasonGraphVersionEnding: "The version of the Graph API that the operator uses ends within 60 days. Update the operator, or set --graph-version.",
}

// announce makes Events of what turned. They name the condition and the reason; its message stays in the channel,
// because it may hold phone numbers. That a channel is ready is told where it was not, or something was warned of: a new
// one that just becomes ready is no news.
func (r *Reconciler) announce(s *scope, status v1alpha1.WhatsAppChannelStatus) {
	if ready := s.condition(v1alpha1.ConditionReady); ready != nil && (ready.Status == metav1.ConditionTrue || waitsForPerson(*ready)) {
		s.memory.troubled = true
	}
	warn := func(reason, note string) {
		s.memory.troubled = true
		r.Recorder.Eventf(s.channel, nil, corev1.EventTypeWarning, reason, "Reconcile", "%s", note)
	}
	for _, condition := range status.Conditions {
		before := s.condition(condition.Type)
		switch {
		case condition.Type == v1alpha1.ConditionReconciling || condition.Type == v1alpha1.ConditionStalled:
		case before != nil && before.Status == condition.Status && before.Reason == condition.Reason:
		case condition.Status == metav1.ConditionTrue && warnings[condition.Reason] != "":
			warn(condition.Reason, warnings[condition.Reason])
		case condition.Type == v1alpha1.ConditionReady && condition.Status == metav1.ConditionTrue:
			if !s.memory.troubled {
				continue
			}
			s.memory.troubled = false
			r.Recorder.Eventf(s.channel, nil, corev1.EventTypeNormal, condition.Reason, "Reconcile",
				"The channel is ready: customers' messages arrive, and replies go out.")
		case condition.Type != v1alpha1.ConditionReady && condition.Status == metav1.ConditionFalse && waitsForPerson(condition):
			warn(condition.Reason,
				fmt.Sprintf("%s is False. The message of the condition says what to do: kubectl describe wac %s --namespace %s",
					condition.Type, s.channel.Name, s.channel.Namespace))
		}
	}
}

func waitsForPerson(condition metav1.Condition) bool {
	f := finding{condition.Status, condition.Reason, condition.Message}
	return f.needsPerson()
}
