// Package manifests builds what a channel consists of in the cluster, as apply configurations. It only computes: the
// same input gives the same output, and nothing is read or written.
package manifests

import (
	"strings"

	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// Labels that all objects of a channel carry.
const (
	// NameLabel says what kind of program an object belongs to.
	NameLabel = "app.kubernetes.io/name"
	// InstanceLabel holds the channel's name; it leads from an object back to its channel.
	InstanceLabel = "app.kubernetes.io/instance"
	// ManagedByLabel selects what the operator keeps in its cache.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of ManagedByLabel, and the field manager of everything that the operator applies.
	ManagedBy = "whatsapp-operator"

	applicationName = "whatsapp-receiver"
)

// Annotations of objects that outlive their channel.
const (
	// BusinessAccountAnnotation holds the ID of the business account that the object belongs to.
	BusinessAccountAnnotation = "whatsapp-operator.io/business-account-id"
	// PhoneNumberAnnotation holds the phone number ID that the object belongs to. It is absent until the number is known.
	PhoneNumberAnnotation = "whatsapp-operator.io/phone-number-id"
	// ChannelUIDAnnotation holds the UID of the channel that uses the object at present or used it last.
	ChannelUIDAnnotation = "whatsapp-operator.io/channel-uid"
)

// RotationAnnotation holds, on the Secret of a generated verify token, the request for a rotation that was acted on last.
const RotationAnnotation = "whatsapp-operator.io/rotated-for"

// DeclarationLabel holds, on an object that the operator applies, a hash of the declaration that was applied last. It is no
// annotation, because a Deployment whose annotations change counts as changed.
const DeclarationLabel = "whatsapp-operator.io/declaration"

// VerifyTokenKey is the key of a generated verify token in its Secret.
const VerifyTokenKey = "verify-token"

// ReceiverName is the name of a channel's Deployment, ConfigMap, ServiceAccount and internal Service.
func ReceiverName(channel string) string { return channel + "-receiver" }

// CallbackName is the name of the HTTPRoute, Ingress or Service that exposes a channel.
func CallbackName(channel string) string { return channel + "-callback" }

// ReceiverHost is the name under which a channel's receiver is reached inside the cluster.
func ReceiverHost(namespace, channel string) string {
	return ReceiverName(channel) + "." + namespace + ".svc"
}

// DataName is the name of a channel's PersistentVolumeClaim.
func DataName(channel string) string { return channel + "-data" }

// What the names of the Secrets that the operator makes for a channel add to the channel's.
const (
	verifyTokenSuffix = "-verify-token"
	apiSuffix         = "-api"
	authoritySuffix   = "-authority"
	helpdeskSuffix    = "-helpdesk"
)

// VerifyTokenName is the name of the Secret with a generated verify token.
func VerifyTokenName(channel string) string { return channel + verifyTokenSuffix }

// APIName is the name of the Secret with the two tokens and the certificate of a receiver's private API.
func APIName(channel string) string { return channel + apiSuffix }

// AuthorityName is the name of the Secret with the key of the authority that the certificate of the private API is from.
func AuthorityName(channel string) string { return channel + authoritySuffix }

// HelpdeskName is the name of the Secret with what the helpdesk signs its calls with.
func HelpdeskName(channel string) string { return channel + helpdeskSuffix }

// madeSuffixes are those of all of them.
var madeSuffixes = []string{verifyTokenSuffix, apiSuffix, authoritySuffix, helpdeskSuffix}

// MadeSecrets are the names of the Secrets that the operator makes for a channel, as far as that needs them.
func MadeSecrets(channel string) []string {
	var names []string
	for _, suffix := range madeSuffixes {
		names = append(names, channel+suffix)
	}
	return names
}

// ChannelOfSecret returns the name of the channel that the operator makes a Secret of this name for, or nothing where it makes
// none of such a name.
func ChannelOfSecret(name string) string {
	for _, suffix := range madeSuffixes {
		if channel, made := strings.CutSuffix(name, suffix); made {
			return channel
		}
	}
	return ""
}

// Labels are the labels of every object of a channel.
func Labels(channel string) map[string]string {
	return map[string]string{
		NameLabel:      applicationName,
		InstanceLabel:  channel,
		ManagedByLabel: ManagedBy,
	}
}

// SecretLabels are the labels of the Secrets that the operator makes. They carry the label of users' Secrets too, so
// that one watch sees both.
func SecretLabels(channel string) map[string]string {
	labels := Labels(channel)
	labels[v1alpha1.SecretUseLabel] = v1alpha1.SecretUseChannel
	return labels
}

// selector are the labels that find a receiver's pods. They can never change, because a Deployment's selector cannot.
func selector(channel string) map[string]string {
	return map[string]string{NameLabel: applicationName, InstanceLabel: channel}
}

// PodLabels find the pods of a channel's receiver.
func PodLabels(channel string) map[string]string { return selector(channel) }

// owner makes the garbage collector delete an object with its channel.
func owner(channel *v1alpha1.WhatsAppChannel) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).
		WithKind("WhatsAppChannel").
		WithName(channel.Name).
		WithUID(channel.UID).
		WithController(true).
		WithBlockOwnerDeletion(true)
}

// identity are the annotations of an object that outlives its channel. Argo CD, where it tracks by labels, takes an object that
// has no owner for its own once an application has the channel's name: it must neither prune nor delete it, nor miss it in Git.
func identity(channel *v1alpha1.WhatsAppChannel, phoneNumberID string) map[string]string {
	annotations := map[string]string{
		BusinessAccountAnnotation:            channel.Spec.BusinessAccountID,
		ChannelUIDAnnotation:                 string(channel.UID),
		"argocd.argoproj.io/sync-options":    "Prune=false,Delete=false",
		"argocd.argoproj.io/compare-options": "IgnoreExtraneous",
	}
	if phoneNumberID != "" {
		annotations[PhoneNumberAnnotation] = phoneNumberID
	}
	return annotations
}

// Retained reports whether a channel's data outlives it.
func Retained(channel *v1alpha1.WhatsAppChannel) bool {
	return channel.Spec.Receiver.Storage.WhenDeleted != v1alpha1.WhenDeletedDelete
}
