package controllers

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// lookPastCache decides whether this reconciliation reads the channel's objects and Secrets from the API server. An object whose
// end the watch did not tell stays in the cache for ever, and looks as if all were well. So the cache is not believed where a
// person asks, nor about once an hour where something does not work although the cache shows all that is needed; a channel
// that works asks nothing.
func (r *Reconciler) lookPastCache(_ context.Context, s *scope) error {
	last := &s.memory.lookedPastCache
	if last.IsZero() {
		// What the operator knows of a channel that it has just met is new.
		*last = s.now
	}
	doubtful := s.memory.mirror.silences > 0 || s.troubled()
	if s.newRequest() != "" || (doubtful && s.mayLookPastCache()) {
		s.pastCache, *last = true, s.now
		for _, name := range append(secretNames(s.channel), manifests.MadeSecrets(s.channel.Name)...) {
			r.secrets.forget(types.NamespacedName{Namespace: s.channel.Namespace, Name: name})
		}
	}
	if doubtful {
		s.wakeUpAt(last.Add(s.hourly()))
	}
	return nil
}

// mayLookPastCache reports whether the last look past the cache was long enough ago.
func (s *scope) mayLookPastCache() bool {
	return !s.now.Before(s.memory.lookedPastCache.Add(s.hourly()))
}

// troubled reports whether status says that something does not work.
func (s *scope) troubled() bool {
	for _, condition := range s.channel.Status.Conditions {
		switch condition.Type {
		case v1alpha1.ConditionReady, v1alpha1.ConditionCallbackReachable:
			if condition.Status != metav1.ConditionTrue {
				return true
			}
		}
	}
	return false
}
