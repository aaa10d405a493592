package manifests

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// Names of a receiver's ports, in its container and its Services.
const (
	PublicPortName  = "public"
	PrivatePortName = "private"
	HealthPortName  = "health"
)

// callbackPort is the port of a callback URL, which names none.
const callbackPort = 443

// Service reaches the receiver from inside the cluster: its public port for whoever routes the hostname, its private
// port for the operator.
func Service(channel *v1alpha1.WhatsAppChannel) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(ReceiverName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithOwnerReferences(owner(channel)).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(selector(channel.Name)).
			WithPorts(
				servicePort(PublicPortName, config.PublicPort),
				servicePort(PrivatePortName, config.PrivatePort),
			))
}

// CallbackService leads Meta's calls straight to the receiver, which ends TLS itself.
func CallbackService(channel *v1alpha1.WhatsAppChannel) *corev1ac.ServiceApplyConfiguration {
	exposure := channel.Spec.Callback.Exposure.Service
	return corev1ac.Service(CallbackName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithAnnotations(exposure.Annotations).
		WithOwnerReferences(owner(channel)).
		WithSpec(corev1ac.ServiceSpec().
			WithType(exposure.Type).
			WithSelector(selector(channel.Name)).
			WithPorts(servicePort(PublicPortName, callbackPort)))
}

func servicePort(name string, port int32) *corev1ac.ServicePortApplyConfiguration {
	target := name
	return corev1ac.ServicePort().
		WithName(name).
		WithPort(port).
		WithProtocol(corev1.ProtocolTCP).
		WithTargetPort(intstr.FromString(target))
}
