package manifests

import (
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1ac "sigs.k8s.io/gateway-api/applyconfiguration/apis/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// HTTPRoute leads Meta's calls from Gateways to the receiver: those for the channel's path of a hostname, and no others.
func HTTPRoute(channel *v1alpha1.WhatsAppChannel, hostname string) *gatewayv1ac.HTTPRouteApplyConfiguration {
	var parents []*gatewayv1ac.ParentReferenceApplyConfiguration
	for _, ref := range channel.Spec.Callback.Exposure.HTTPRoute.ParentRefs {
		parent := gatewayv1ac.ParentReference().WithName(gatewayv1.ObjectName(ref.Name))
		if ref.Namespace != "" {
			parent.WithNamespace(gatewayv1.Namespace(ref.Namespace))
		}
		if ref.SectionName != "" {
			parent.WithSectionName(gatewayv1.SectionName(ref.SectionName))
		}
		parents = append(parents, parent)
	}
	path := gatewayv1ac.HTTPPathMatch().
		WithType(gatewayv1.PathMatchPathPrefix).
		WithValue(config.CallbackPath(channel.Namespace, channel.Name))
	backend := gatewayv1ac.HTTPBackendRef().
		WithName(gatewayv1.ObjectName(ReceiverName(channel.Name))).
		WithPort(config.PublicPort)
	return gatewayv1ac.HTTPRoute(CallbackName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithOwnerReferences(owner(channel)).
		WithSpec(gatewayv1ac.HTTPRouteSpec().
			WithParentRefs(parents...).
			WithHostnames(gatewayv1.Hostname(hostname)).
			WithRules(gatewayv1ac.HTTPRouteRule().
				WithMatches(gatewayv1ac.HTTPRouteMatch().WithPath(path)).
				WithBackendRefs(backend)))
}

// Ingress leads Meta's calls for the channel's path of a hostname to the receiver.
func Ingress(channel *v1alpha1.WhatsAppChannel, hostname string) *networkingv1ac.IngressApplyConfiguration {
	exposure := channel.Spec.Callback.Exposure.Ingress
	backend := networkingv1ac.IngressBackend().WithService(networkingv1ac.IngressServiceBackend().
		WithName(ReceiverName(channel.Name)).
		WithPort(networkingv1ac.ServiceBackendPort().WithName(PublicPortName)))
	spec := networkingv1ac.IngressSpec().
		WithRules(networkingv1ac.IngressRule().
			WithHost(hostname).
			WithHTTP(networkingv1ac.HTTPIngressRuleValue().WithPaths(networkingv1ac.HTTPIngressPath().
				WithPath(config.CallbackPath(channel.Namespace, channel.Name)).
				WithPathType(networkingv1.PathTypePrefix).
				WithBackend(backend))))
	if exposure.ClassName != "" {
		spec.WithIngressClassName(exposure.ClassName)
	}
	if exposure.TLSSecretName != "" {
		spec.WithTLS(networkingv1ac.IngressTLS().WithHosts(hostname).WithSecretName(exposure.TLSSecretName))
	}
	return networkingv1ac.Ingress(CallbackName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithAnnotations(exposure.Annotations).
		WithOwnerReferences(owner(channel)).
		WithSpec(spec)
}
