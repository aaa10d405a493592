package controllers

import (
	"context"
	"hash/fnv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// lookPastCache decides whether this reconciliation reads the channel's objects and Secrets from the API server, which it does
// about once an hour. An object whose end the watch did not tell stays in the cache for ever, and looks as if all were well.
func (r *Reconciler) lookPastCache(_ context.Context, s *scope) error {
	last := &s.memory.lookedPastCache
	if last.IsZero() {
		// What the operator knows of a channel that it has just met is new.
		*last = s.now
	}
	if !s.now.Before(last.Add(s.hourly())) {
		s.pastCache, *last = true, s.now
		for _, name := range append(secretNames(s.channel), manifests.MadeSecrets(s.channel.Name)...) {
			r.secrets.forget(types.NamespacedName{Namespace: s.channel.Namespace, Name: name})
		}
	}
	s.wakeUpAt(last.Add(s.hourly()))
	return nil
}

// hourly is how long an hour is for a channel: they are not to look all at once.
func (s *scope) hourly() time.Duration {
	spread := fnv.New32a()
	_, _ = spread.Write([]byte(s.channel.UID))
	return refreshInterval + time.Duration(spread.Sum32())%refreshJitter
}
