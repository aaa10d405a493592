// Package v1alpha1 is the API of whatsapp-operator: WhatsAppChannel, a WhatsApp support line declared in Kubernetes.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=whatsapp-operator.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of this API.
	GroupVersion = schema.GroupVersion{Group: "whatsapp-operator.io", Version: "v1alpha1"}

	// SchemeGroupVersion is GroupVersion under the name that the generated code uses.
	SchemeGroupVersion = GroupVersion

	// SchemeBuilder collects the functions that add this API to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds this API to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &WhatsAppChannel{}, &WhatsAppChannelList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
