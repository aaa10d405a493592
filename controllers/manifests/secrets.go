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

const (
	// CAKey holds, in the Secret of a receiver's private API, the authorities that its clients trust.
	CAKey = "ca.crt"
	// AuthorityKeyKey holds, in a Secret of its own, the key of the first of them. Who may read the tokens of the private API
	// cannot make certificates for it. An earlier version kept it in the Secret of the private API.
	AuthorityKeyKey = "ca.key"
)

// NewAPI is the Secret of the receiver's private API as it is created, without its data.
func NewAPI(channel *v1alpha1.WhatsAppChannel) *corev1.Secret {
	return owned(channel, APIName(channel.Name), nil)
}

// NewAuthority is the Secret with the key of the private API's authority as it is created. Only the operator reads it.
func NewAuthority(channel *v1alpha1.WhatsAppChannel, key []byte) *corev1.Secret {
	return owned(channel, AuthorityName(channel.Name), map[string][]byte{AuthorityKeyKey: key})
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
	return ownedMetadata(channel, APIName(channel.Name))
}

// AuthorityMetadata is what of the Secret with the key of the private API's authority is kept up to date.
func AuthorityMetadata(channel *v1alpha1.WhatsAppChannel) *corev1ac.SecretApplyConfiguration {
	return ownedMetadata(channel, AuthorityName(channel.Name))
}

func ownedMetadata(channel *v1alpha1.WhatsAppChannel, name string) *corev1ac.SecretApplyConfiguration {
	return corev1ac.Secret(name, channel.Namespace).
		WithLabels(SecretLabels(channel.Name)).
		WithOwnerReferences(owner(channel))
}
