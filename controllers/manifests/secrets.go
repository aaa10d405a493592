package manifests

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// NewVerifyToken is the Secret with a generated verify token as it is created. It is created and not applied, so that
// a token that is there can never be replaced.
func NewVerifyToken(channel *v1alpha1.WhatsAppChannel, phoneNumberID, token string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      VerifyTokenName(channel.Name),
			Namespace: channel.Namespace,
			Labels:    SecretLabels(channel.Name),
			// Only what is declared for good: an owner comes and goes with spec.receiver.storage.whenDeleted.
			Annotations: identity(channel, phoneNumberID),
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

// NewAPITokens is the Secret with the tokens of the receiver's private API as it is created.
func NewAPITokens(channel *v1alpha1.WhatsAppChannel, statusToken, apiToken string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      APIName(channel.Name),
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
		Data: map[string][]byte{
			config.StatusTokenFile: []byte(statusToken),
			config.APITokenFile:    []byte(apiToken),
		},
	}
}

// APITokensMetadata is what of the Secret with the private API's tokens is kept up to date.
func APITokensMetadata(channel *v1alpha1.WhatsAppChannel) *corev1ac.SecretApplyConfiguration {
	return corev1ac.Secret(APIName(channel.Name), channel.Namespace).
		WithLabels(SecretLabels(channel.Name)).
		WithOwnerReferences(owner(channel))
}
