package manifests

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// NewVerifyToken is the Secret with a generated verify token as it is created. It is created and not applied, so that
// a token that is there can never be replaced unasked. rotation is the request for a rotation that it fulfils, if any.
func NewVerifyToken(channel *v1alpha1.WhatsAppChannel, phoneNumberID, token, rotation string) *corev1.Secret {
	annotations := identity(channel, phoneNumberID)
	if rotation != "" {
		annotations[RotationAnnotation] = rotation
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      VerifyTokenName(channel.Name),
			Namespace: channel.Namespace,
			Labels:    SecretLabels(channel.Name),
			// Only what is declared for good: an owner comes and goes with spec.receiver.storage.whenDeleted.
			Annotations: annotations,
		},
		Data: map[string][]byte{VerifyTokenKey: []byte(token)},
	}
}

// VerifyTokenMetadata is what of the verify token's Secret is kept up to date. The data is not part of it.
func VerifyTokenMetadata(channel *v1alpha1.WhatsAppChannel, phoneNumberID string) *corev1ac.SecretApplyConfiguration {
	secret := corev1ac.Secret(VerifyTokenName(channel.Name), channel.Namespace).
		WithLabels(SecretLabels(channel.Name)).
		WithAnnotations(identity(channel, phoneNumberID))
	if !Retained(channel) {
		secret.WithOwnerReferences(owner(channel))
	}
	return secret
}

// Keys of the Secret of a receiver's private API besides those of its two tokens and of its certificate.
const (
	// CAKey holds the authorities that clients of the private API trust.
	CAKey = "ca.crt"
	// CAPrivateKeyKey holds the key of the authority that issues. It is not mounted into the receiver.
	CAPrivateKeyKey = "ca.key"
)

// NewAPI is the Secret of the receiver's private API as it is created, without its data.
func NewAPI(channel *v1alpha1.WhatsAppChannel) *corev1.Secret {
	return owned(channel, APIName(channel.Name), nil)
}

// owned is a Secret that goes with its channel, as it is created.
func owned(channel *v1alpha1.WhatsAppChannel, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      name,
			Namespace: channel.Namespace,
			Labels:    SecretLabels(channel.Name),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion:         v1alpha1.GroupVersion.String(),
				Kind:               "WhatsAppChannel",
				Name:               channel.Name,
				UID:                channel.UID,
				Controller:         new(true),
				BlockOwnerDeletion: new(true),
			}},
		},
		Data: data,
	}
}

// APIMetadata is what of the Secret of the private API is kept up to date besides its data.
func APIMetadata(channel *v1alpha1.WhatsAppChannel) *corev1ac.SecretApplyConfiguration {
	return corev1ac.Secret(APIName(channel.Name), channel.Namespace).
		WithLabels(SecretLabels(channel.Name)).
		WithOwnerReferences(owner(channel))
}
