package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// expose makes the Service that Meta's calls come in by, where the channel wants one, and takes it away where it does
// not any more.
func (r *Reconciler) expose(ctx context.Context, s *scope) error {
	wanted := s.channel.Spec.Callback.Exposure.Service
	service := &corev1.Service{}
	if wanted == nil {
		return r.remove(ctx, s, manifests.CallbackName(s.channel.Name), service)
	}
	if key, ok := r.refusedAnnotation(wanted.Annotations); ok {
		s.callback = fails(v1alpha1.ReasonAnnotationNotAllowed, fmt.Sprintf(
			"spec.callback.exposure.service.annotations has %q, which the operator does not allow. Remove it, or start the operator with --allowed-annotation-prefixes that cover it.", key))
		return nil
	}
	err := r.own(ctx, s, manifests.CallbackService(s.channel), service)
	if f := refusal(err, v1alpha1.ReasonNameTaken, v1alpha1.ReasonRefused); f != nil {
		s.callback = f
		s.wakeUpIn(refusedInterval)
		return nil
	}
	if err != nil {
		return err
	}
	if wanted.Type == corev1.ServiceTypeLoadBalancer && len(service.Status.LoadBalancer.Ingress) == 0 && s.callbackURL != "" {
		s.callbackPending = fmt.Sprintf(" Service %q has no address from the load balancer yet.", manifests.CallbackName(s.channel.Name))
	}
	return nil
}

// refusedAnnotation returns the first annotation, by name, that no allowed prefix covers.
func (r *Reconciler) refusedAnnotation(annotations map[string]string) (string, bool) {
	var refused []string
	for key := range annotations {
		allowed := slices.ContainsFunc(r.Options.AllowedAnnotationPrefixes, func(prefix string) bool {
			return prefix != "" && strings.HasPrefix(key, prefix)
		})
		if !allowed {
			refused = append(refused, key)
		}
	}
	if len(refused) == 0 {
		return "", false
	}
	return slices.Min(refused), true
}

// exposureRefused reports whether the callback Service could not be made because of something that only a person can
// change. Unlike an unreachable URL, that does keep a channel from being ready.
func (s *scope) exposureRefused() *finding {
	if s.callback == nil {
		return nil
	}
	switch s.callback.reason {
	case v1alpha1.ReasonAnnotationNotAllowed, v1alpha1.ReasonNameTaken, v1alpha1.ReasonRefused:
		return s.callback
	}
	return nil
}
