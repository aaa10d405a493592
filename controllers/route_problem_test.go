package controllers

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

func TestRouteProblem(t *testing.T) {
	const generation = 3
	public := gatewayv1.ParentReference{Name: "public", Namespace: new(gatewayv1.Namespace("gateways"))}
	internal := gatewayv1.ParentReference{Name: "internal"}
	section := public
	section.SectionName = new(gatewayv1.SectionName("https"))
	condition := func(conditionType string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message, ObservedGeneration: generation}
	}
	accepted := condition("Accepted", metav1.ConditionTrue, "Accepted", "")
	outdated := accepted
	outdated.ObservedGeneration = generation - 1
	parent := func(ref gatewayv1.ParentReference, conditions ...metav1.Condition) gatewayv1.RouteParentStatus {
		return gatewayv1.RouteParentStatus{ParentRef: ref, ControllerName: "example.com/gateway", Conditions: conditions}
	}
	refused := func(reason, message string) metav1.Condition {
		return condition("Accepted", metav1.ConditionFalse, reason, message)
	}

	for name, tc := range map[string]struct {
		parents []gatewayv1.ParentReference
		status  []gatewayv1.RouteParentStatus
		reason  string
		says    string
	}{
		"served":                               {[]gatewayv1.ParentReference{public}, []gatewayv1.RouteParentStatus{parent(public, accepted, condition("ResolvedRefs", metav1.ConditionTrue, "ResolvedRefs", ""))}, "", ""},
		"one of two is enough":                 {[]gatewayv1.ParentReference{internal, public}, []gatewayv1.RouteParentStatus{parent(public, accepted), parent(internal, refused("NotAllowedByListeners", ""))}, "", ""},
		"a Gateway in the channel's namespace": {[]gatewayv1.ParentReference{internal}, []gatewayv1.RouteParentStatus{parent(gatewayv1.ParentReference{Name: "internal", Namespace: new(gatewayv1.Namespace("helpdesk"))}, accepted)}, "", ""},
		"nobody looked":                        {[]gatewayv1.ParentReference{public}, nil, v1alpha1.ReasonRoutePending, "Gateway gateways/public yet"},
		"looked at the route of before":        {[]gatewayv1.ParentReference{public}, []gatewayv1.RouteParentStatus{parent(public, outdated)}, v1alpha1.ReasonRoutePending, "yet"},
		"another listener":                     {[]gatewayv1.ParentReference{section}, []gatewayv1.RouteParentStatus{parent(public, accepted)}, v1alpha1.ReasonRoutePending, "yet"},
		"namespace not allowed":                {[]gatewayv1.ParentReference{public}, []gatewayv1.RouteParentStatus{parent(public, refused("NotAllowedByListeners", ""))}, v1alpha1.ReasonRouteNotAccepted, "allowedRoutes.namespaces"},
		"hostname not served":                  {[]gatewayv1.ParentReference{public}, []gatewayv1.RouteParentStatus{parent(public, refused("NoMatchingListenerHostname", ""))}, v1alpha1.ReasonRouteNotAccepted, "the hostname wa.example.com"},
		"listener does not exist":              {[]gatewayv1.ParentReference{section}, []gatewayv1.RouteParentStatus{parent(section, refused("NoMatchingParent", ""))}, v1alpha1.ReasonRouteNotAccepted, `no listener "https"`},
		"pending":                              {[]gatewayv1.ParentReference{public}, []gatewayv1.RouteParentStatus{parent(public, refused("Pending", "The data plane starts."))}, v1alpha1.ReasonRoutePending, "(Pending: The data plane starts)."},
		"another refusal":                      {[]gatewayv1.ParentReference{public}, []gatewayv1.RouteParentStatus{parent(public, refused("UnsupportedValue", ""))}, v1alpha1.ReasonRouteNotAccepted, "(UnsupportedValue)"},
		"backend not found":                    {[]gatewayv1.ParentReference{public}, []gatewayv1.RouteParentStatus{parent(public, accepted, condition("ResolvedRefs", metav1.ConditionFalse, "BackendNotFound", "no Service"))}, v1alpha1.ReasonRouteNotResolved, `Service "support-receiver" (BackendNotFound: no Service)`},
		"not programmed":                       {[]gatewayv1.ParentReference{public}, []gatewayv1.RouteParentStatus{parent(public, accepted, condition("Programmed", metav1.ConditionFalse, "AddressNotAssigned", ""))}, v1alpha1.ReasonRoutePending, "does not serve it yet (AddressNotAssigned)"},
	} {
		t.Run(name, func(t *testing.T) {
			route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Name: "support-callback", Namespace: "helpdesk", Generation: generation}}
			route.Spec.ParentRefs = tc.parents
			route.Spec.Hostnames = []gatewayv1.Hostname{"wa.example.com"}
			backend := gatewayv1.HTTPBackendRef{}
			backend.Name = "support-receiver"
			route.Spec.Rules = []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{backend}}}
			route.Status.Parents = tc.status
			channel := &v1alpha1.WhatsAppChannel{ObjectMeta: metav1.ObjectMeta{Name: "support", Namespace: "helpdesk"}}
			got := routeProblem(channel, route)
			if tc.reason == "" {
				if got != nil {
					t.Fatalf("it says %s: %s", got.reason, got.message)
				}
				return
			}
			if got == nil || got.reason != tc.reason || !strings.Contains(got.message, tc.says) {
				t.Errorf("it says %+v", got)
			}
		})
	}
}
