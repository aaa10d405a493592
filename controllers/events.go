package controllers

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// announce makes Events of what turned. They name the condition and the reason; its message stays in the channel,
// because it may hold phone numbers.
func (r *Reconciler) announce(s *scope, status v1alpha1.WhatsAppChannelStatus) {
	for _, condition := range status.Conditions {
		before := s.condition(condition.Type)
		switch {
		case condition.Type == v1alpha1.ConditionReconciling || condition.Type == v1alpha1.ConditionStalled:
		case before != nil && before.Status == condition.Status && before.Reason == condition.Reason:
		case condition.Status == metav1.ConditionTrue && condition.Reason == v1alpha1.ReasonTokenExpiring:
			r.Recorder.Eventf(s.channel, nil, corev1.EventTypeWarning, condition.Reason, "CheckCredentials",
				"The access token ends within 14 days. Put a new one into the Secret.")
		case condition.Type == v1alpha1.ConditionReady && condition.Status == metav1.ConditionTrue:
			r.Recorder.Eventf(s.channel, nil, corev1.EventTypeNormal, condition.Reason, "Reconcile",
				"The channel is ready: customers' messages arrive, and replies go out.")
		case condition.Type != v1alpha1.ConditionReady && condition.Status == metav1.ConditionFalse && waitsForPerson(condition):
			r.Recorder.Eventf(s.channel, nil, corev1.EventTypeWarning, condition.Reason, "Reconcile", "%s",
				fmt.Sprintf("%s is False. The message of the condition says what to do: kubectl describe wac %s --namespace %s",
					condition.Type, s.channel.Name, s.channel.Namespace))
		}
	}
}

func waitsForPerson(condition metav1.Condition) bool {
	f := finding{condition.Status, condition.Reason, condition.Message}
	return f.needsPerson()
}
