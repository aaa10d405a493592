package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=get;list;watch;create;patch;delete

// expose makes what Meta's calls come in by, where the channel wants that, and takes away what it does not want any more.
// The new way in is made before the old one is taken away.
func (r *Reconciler) expose(ctx context.Context, s *scope) error {
	wanted := s.channel.Spec.Callback.Exposure
	kinds := []struct {
		wanted bool
		expose func(context.Context, *scope) error
		object client.Object
	}{
		{wanted.HTTPRoute != nil, r.exposeByHTTPRoute, &gatewayv1.HTTPRoute{}},
		{wanted.Ingress != nil, r.exposeByIngress, &networkingv1.Ingress{}},
		{wanted.Service != nil, r.exposeByService, &corev1.Service{}},
	}
	for _, kind := range kinds {
		if !kind.wanted {
			continue
		}
		if err := s.tellRefusal(kind.expose(ctx, s), &s.callback); err != nil {
			return err
		}
	}
	for _, kind := range kinds {
		if kind.wanted {
			continue
		}
		err := r.remove(ctx, s, manifests.CallbackName(s.channel.Name), kind.object)
		if apiAbsent(err) {
			continue
		}
		if err := s.tellRefusal(err, &s.callback); err != nil {
			return err
		}
	}
	return nil
}

const gatewayAPIMissing = "The cluster does not have the Gateway API (HTTPRoute of gateway.networking.k8s.io/v1), which spec.callback.exposure.httpRoute needs. Install it, or choose another exposure; the operator looks again every minute."

func (r *Reconciler) exposeByHTTPRoute(ctx context.Context, s *scope) error {
	if s.callbackURL == "" {
		return nil
	}
	served, err := r.gateway.watch()
	if err != nil {
		return err
	}
	route := &gatewayv1.HTTPRoute{}
	if served {
		if err := r.gateway.synced(ctx); err != nil {
			return err
		}
		err = r.own(ctx, s, manifests.HTTPRoute(s.channel, r.hostname(s.channel)), route)
		served = !apiAbsent(err)
	}
	if !served {
		s.callback = fails(v1alpha1.ReasonGatewayAPIMissing, gatewayAPIMissing)
		s.wakeUpIn(refusedInterval)
		return nil
	}
	if err != nil {
		return err
	}
	s.exposure = routeProblem(s.channel, route)
	return nil
}

func (r *Reconciler) exposeByIngress(ctx context.Context, s *scope) error {
	if s.callbackURL == "" || r.refuseAnnotations(s, "ingress", s.channel.Spec.Callback.Exposure.Ingress.Annotations) {
		return nil
	}
	ingress := &networkingv1.Ingress{}
	if err := r.own(ctx, s, manifests.Ingress(s.channel, r.hostname(s.channel)), ingress); err != nil {
		return err
	}
	if len(ingress.Status.LoadBalancer.Ingress) == 0 {
		s.exposure = pending(fmt.Sprintf(
			"Ingress %q has no address yet: check that a controller serves its class.", manifests.CallbackName(s.channel.Name)))
	}
	return nil
}

func (r *Reconciler) exposeByService(ctx context.Context, s *scope) error {
	wanted := s.channel.Spec.Callback.Exposure.Service
	if r.refuseAnnotations(s, "service", wanted.Annotations) {
		return nil
	}
	service := &corev1.Service{}
	if err := r.own(ctx, s, manifests.CallbackService(s.channel), service); err != nil {
		return err
	}
	if wanted.Type == corev1.ServiceTypeLoadBalancer && len(service.Status.LoadBalancer.Ingress) == 0 {
		s.exposure = pending(fmt.Sprintf("Service %q has no address from the load balancer yet.", manifests.CallbackName(s.channel.Name)))
	}
	return nil
}

// pending is a finding that explains a failed probe, and leaves it its reason.
func pending(message string) *finding { return fails("", message) }

// apiAbsent reports whether an error says that the API server does not know a kind of object.
func apiAbsent(err error) bool {
	return err != nil && (meta.IsNoMatchError(err) || apierrors.IsNotFound(err))
}

// refuseAnnotations notes the first annotation, by name, that no allowed prefix covers, and reports whether there is one.
func (r *Reconciler) refuseAnnotations(s *scope, member string, annotations map[string]string) bool {
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
		return false
	}
	s.callback = fails(v1alpha1.ReasonAnnotationNotAllowed, fmt.Sprintf(
		"spec.callback.exposure.%s.annotations has %q, which the operator does not allow. Remove it, or start the operator with --allowed-annotation-prefixes that cover it.",
		member, slices.Min(refused)))
	return true
}

// exposureRefused reports whether the way in could not be made because of something that only a person can change.
// Unlike an unreachable URL, that does keep a channel from being ready.
func (s *scope) exposureRefused() *finding {
	if s.callback == nil {
		return nil
	}
	switch s.callback.reason {
	case v1alpha1.ReasonAnnotationNotAllowed, v1alpha1.ReasonNameTaken, v1alpha1.ReasonRefused, v1alpha1.ReasonAPIServerFailing,
		v1alpha1.ReasonGatewayAPIMissing:
		return s.callback
	}
	return nil
}
