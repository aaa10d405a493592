package manifests

import (
	"encoding/json"
	"maps"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// propagation is how many seconds a receiver goes on taking webhooks after its pod was told to end: until then, those who
// pass them on may not have heard of it.
const propagation int64 = 5

// declaredPod is what the channel says of its receiver's pods.
func declaredPod(channel *v1alpha1.WhatsAppChannel) v1alpha1.ReceiverPod {
	if pod := channel.Spec.Receiver.Pod; pod != nil {
		return *pod
	}
	return v1alpha1.ReceiverPod{}
}

// podLabels are the labels of a receiver's pods: those that are declared, and the operator's own, which come first.
func podLabels(channel *v1alpha1.WhatsAppChannel) map[string]string {
	labels := maps.Clone(declaredPod(channel).Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, Labels(channel.Name))
	return labels
}

// place says where the pods run, and how their image is pulled.
func place(channel *v1alpha1.WhatsAppChannel, spec *corev1ac.PodSpecApplyConfiguration) *corev1ac.PodSpecApplyConfiguration {
	declared := declaredPod(channel)
	spec.WithNodeSelector(declared.NodeSelector)
	for i := range declared.Tolerations {
		spec.WithTolerations(as[corev1ac.TolerationApplyConfiguration](declared.Tolerations[i]))
	}
	for _, secret := range declared.ImagePullSecrets {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(secret.Name))
	}
	return spec.WithTopologySpreadConstraints(spread(channel)...)
}

// spread keeps the receivers of a channel apart as it is declared, else on different machines and in different zones, as
// far as there are some.
func spread(channel *v1alpha1.WhatsAppChannel) []*corev1ac.TopologySpreadConstraintApplyConfiguration {
	receivers := metav1ac.LabelSelector().WithMatchLabels(selector(channel.Name))
	var constraints []*corev1ac.TopologySpreadConstraintApplyConfiguration
	for _, declared := range declaredPod(channel).TopologySpreadConstraints {
		constraint := as[corev1ac.TopologySpreadConstraintApplyConfiguration](declared)
		if constraint.LabelSelector == nil {
			constraint.WithLabelSelector(receivers)
		}
		constraints = append(constraints, constraint)
	}
	if len(constraints) > 0 || !MayBeSeveral(channel) {
		return constraints
	}
	for _, key := range []string{corev1.LabelHostname, corev1.LabelTopologyZone} {
		constraints = append(constraints, corev1ac.TopologySpreadConstraint().
			WithMaxSkew(1).
			WithTopologyKey(key).
			WithWhenUnsatisfiable(corev1.ScheduleAnyway).
			WithLabelSelector(receivers))
	}
	return constraints
}

// lifecycle lets a receiver that is replaced while another runs take what is still sent to it. One that has the store to
// itself ends at once, because the next one waits for it.
func lifecycle(channel *v1alpha1.WhatsAppChannel) *corev1ac.LifecycleApplyConfiguration {
	if StorageOf(channel) == SQLite {
		return nil
	}
	return corev1ac.Lifecycle().WithPreStop(corev1ac.LifecycleHandler().WithSleep(corev1ac.SleepAction().WithSeconds(propagation)))
}

// as turns a type of the API into its apply configuration, which has the same form in JSON.
func as[Configuration any](value any) *Configuration {
	encoded, err := json.Marshal(value)
	into := new(Configuration)
	if err == nil {
		err = json.Unmarshal(encoded, into)
	}
	if err != nil {
		panic(err) // Both are generated from the same type.
	}
	return into
}
