package controllers_test

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// kstatusOutdated reports whether a channel's status speaks of an earlier spec. A tool that waits goes on waiting then, so that
// must pass.
func kstatusOutdated(channel *v1alpha1.WhatsAppChannel) bool {
	observed := channel.Status.ObservedGeneration
	return channel.DeletionTimestamp.IsZero() && (observed == nil || *observed != channel.Generation)
}

// kstatusViolations returns what of a channel's status tools that wait for it would misread. A channel without a status
// is one that the operator has not seen.
func kstatusViolations(channel *v1alpha1.WhatsAppChannel) []string {
	status := channel.Status
	if len(status.Conditions) == 0 {
		if status.ObservedGeneration == nil || *status.ObservedGeneration != -1 {
			return []string{"without conditions, observedGeneration must be -1"}
		}
		return nil
	}
	var violations []string
	violated := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	reconciling := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReconciling)
	stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)
	observed := int64(-1)
	if status.ObservedGeneration != nil {
		observed = *status.ObservedGeneration
	}
	if ready == nil {
		return append(violations, "Ready is missing")
	}
	if observed > channel.Generation {
		violated("observedGeneration %d is ahead of generation %d", observed, channel.Generation)
	}
	for _, abnormal := range []*metav1.Condition{reconciling, stalled} {
		if abnormal != nil && abnormal.Status != metav1.ConditionTrue {
			violated("%s is there although it is %s", abnormal.Type, abnormal.Status)
		}
	}
	if reconciling != nil && stalled != nil {
		violated("Reconciling and Stalled are both there")
	}
	if ready.Status == metav1.ConditionTrue && (reconciling != nil || stalled != nil) {
		violated("Ready is True besides Reconciling or Stalled")
	}
	if ready.Status != metav1.ConditionTrue && reconciling == nil && stalled == nil {
		violated("Ready is %s, and neither Reconciling nor Stalled says how it goes on", ready.Status)
	}
	if stalled != nil && ready.Status != metav1.ConditionFalse {
		violated("Stalled, and Ready is %s", ready.Status)
	}
	for _, condition := range status.Conditions {
		if condition.ObservedGeneration != observed {
			violated("%s speaks of generation %d, the status of %d", condition.Type, condition.ObservedGeneration, observed)
		}
		if condition.Reason == "" || condition.Message == "" {
			violated("%s says nothing", condition.Type)
		}
	}
	return violations
}
