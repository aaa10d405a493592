package controllers

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// conditionProgrammed is set on routes by controllers that tell when the data plane has a route. The Gateway API defines
// it for Gateways only.
const conditionProgrammed = "Programmed"

// routeProblem says what an HTTPRoute waits for, by what the Gateways' controllers wrote into its status, or nil where at
// least one Gateway serves it.
func routeProblem(channel *v1alpha1.WhatsAppChannel, route *gatewayv1.HTTPRoute) *finding {
	var first *finding
	for _, ref := range route.Spec.ParentRefs {
		problem := parentProblem(channel, route, ref)
		if problem == nil {
			return nil
		}
		if first == nil {
			first = problem
		}
	}
	return first
}

func parentProblem(channel *v1alpha1.WhatsAppChannel, route *gatewayv1.HTTPRoute, ref gatewayv1.ParentReference) *finding {
	gateway := gatewayName(route.Namespace, ref)
	var conditions []metav1.Condition
	for _, parent := range route.Status.Parents {
		if gatewayName(route.Namespace, parent.ParentRef) == gateway && ptr.Equal(parent.ParentRef.SectionName, ref.SectionName) {
			conditions = append(conditions, parent.Conditions...)
		}
	}
	accepted := current(conditions, string(gatewayv1.RouteConditionAccepted), route.Generation)
	if accepted == nil || accepted.Status == metav1.ConditionUnknown {
		return fails(v1alpha1.ReasonRoutePending, fmt.Sprintf(
			"No controller has taken up HTTPRoute %q for Gateway %s yet: check that the Gateway exists and that its GatewayClass is served.", route.Name, gateway))
	}
	if accepted.Status == metav1.ConditionFalse {
		return notAccepted(channel, route, ref, gateway, accepted)
	}
	if f := current(conditions, string(gatewayv1.RouteConditionResolvedRefs), route.Generation); f != nil && f.Status == metav1.ConditionFalse {
		return fails(v1alpha1.ReasonRouteNotResolved, fmt.Sprintf(
			"Gateway %s accepts HTTPRoute %q and cannot send its requests to Service %q%s.", gateway, route.Name, backendName(route), said(f)))
	}
	if f := current(conditions, conditionProgrammed, route.Generation); f != nil && f.Status != metav1.ConditionTrue {
		return fails(v1alpha1.ReasonRoutePending, fmt.Sprintf("Gateway %s accepts HTTPRoute %q and does not serve it yet%s.", gateway, route.Name, said(f)))
	}
	return nil
}

// notAccepted explains why a Gateway does not take a route.
func notAccepted(channel *v1alpha1.WhatsAppChannel, route *gatewayv1.HTTPRoute, ref gatewayv1.ParentReference, gateway string, accepted *metav1.Condition) *finding {
	var hostname string
	if len(route.Spec.Hostnames) > 0 {
		hostname = string(route.Spec.Hostnames[0])
	}
	switch gatewayv1.RouteConditionReason(accepted.Reason) {
	case gatewayv1.RouteReasonNotAllowedByListeners:
		return fails(v1alpha1.ReasonRouteNotAccepted, fmt.Sprintf(
			"No listener of Gateway %s allows routes from namespace %s. Let whoever owns the Gateway set the listener's allowedRoutes.namespaces to from: All, or to a selector that covers the namespace.", gateway, channel.Namespace))
	case gatewayv1.RouteReasonNoMatchingListenerHostname:
		return fails(v1alpha1.ReasonRouteNotAccepted, fmt.Sprintf(
			"No listener of Gateway %s serves the hostname %s. Add a listener for it, or set spec.callback.hostname to one that the Gateway serves.", gateway, hostname))
	case gatewayv1.RouteReasonNoMatchingParent:
		return fails(v1alpha1.ReasonRouteNotAccepted, fmt.Sprintf(
			"Gateway %s has no listener %q. Correct sectionName in spec.callback.exposure.httpRoute.parentRefs, or leave it out.", gateway, ptr.Deref(ref.SectionName, "")))
	case gatewayv1.RouteReasonPending:
		return fails(v1alpha1.ReasonRoutePending, fmt.Sprintf("Gateway %s does not serve HTTPRoute %q yet%s.", gateway, route.Name, said(accepted)))
	}
	return fails(v1alpha1.ReasonRouteNotAccepted, fmt.Sprintf("Gateway %s does not accept HTTPRoute %q%s.", gateway, route.Name, said(accepted)))
}

// current returns a condition that speaks of the present generation, or nil.
func current(conditions []metav1.Condition, conditionType string, generation int64) *metav1.Condition {
	condition := meta.FindStatusCondition(conditions, conditionType)
	if condition == nil || condition.ObservedGeneration < generation {
		return nil
	}
	return condition
}

// said quotes a controller's reason and message.
func said(condition *metav1.Condition) string {
	text := bounded(strings.TrimSuffix(strings.TrimSpace(condition.Message), "."), maxQuoted)
	if text == "" {
		return fmt.Sprintf(" (%s)", condition.Reason)
	}
	return fmt.Sprintf(" (%s: %s)", condition.Reason, text)
}

// gatewayName writes a Gateway as namespace/name.
func gatewayName(routeNamespace string, ref gatewayv1.ParentReference) string {
	return string(ptr.Deref(ref.Namespace, gatewayv1.Namespace(routeNamespace))) + "/" + string(ref.Name)
}

func backendName(route *gatewayv1.HTTPRoute) string {
	for _, rule := range route.Spec.Rules {
		for _, backend := range rule.BackendRefs {
			return string(backend.Name)
		}
	}
	return ""
}
