package manifests

import (
	"cmp"
	"net"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// helpdesk is a channel's helpdesk as its receiver needs to know it; nil for its own inbox.
func helpdesk(channel *v1alpha1.WhatsAppChannel, place Place) *config.Helpdesk {
	switch declared := channel.Spec.Helpdesk; {
	case declared.Zammad != nil:
		zammad := &config.Zammad{
			URL:          strings.TrimRight(declared.Zammad.URL, "/"),
			Events:       config.Events(cmp.Or(declared.Zammad.Events, v1alpha1.HelpdeskEventsInternal)),
			Installation: place.Installation,
		}
		switch zammad.Events {
		case config.EventsInternal:
			zammad.EventsURL = PrivateURL(channel.Namespace, channel.Name) + config.HelpdeskEventsPath
		case config.EventsPublic:
			if place.CallbackURL != "" {
				zammad.EventsURL = place.CallbackURL + config.PublicHelpdeskSuffix
			}
		case config.EventsPoll:
		}
		return &config.Helpdesk{Zammad: zammad}
	case declared.CloudEvents != nil:
		return &config.Helpdesk{CloudEvents: &config.CloudEvents{
			URL: declared.CloudEvents.URL, ReceiverURL: PrivateURL(channel.Namespace, channel.Name),
		}}
	}
	return nil
}

// PrivateURL is where a receiver's private API is inside the cluster.
func PrivateURL(namespace, channel string) string {
	return "https://" + net.JoinHostPort(ReceiverHost(namespace, channel), strconv.Itoa(config.PrivatePort))
}

// HelpdeskTokenRef is where what the receiver shows to the helpdesk is, and the field that names it; nil for nothing.
func HelpdeskTokenRef(channel *v1alpha1.WhatsAppChannel) (ref *v1alpha1.SecretKeyReference, field string) {
	switch declared := channel.Spec.Helpdesk; {
	case declared.Zammad != nil:
		return &declared.Zammad.TokenSecretRef, "helpdesk.zammad.tokenSecretRef"
	case declared.CloudEvents != nil:
		return declared.CloudEvents.AuthSecretRef, "helpdesk.cloudEvents.authSecretRef"
	}
	return nil, ""
}

// HelpdeskCalls tells whether the helpdesk calls the receiver, and so has to sign.
func HelpdeskCalls(channel *v1alpha1.WhatsAppChannel) bool {
	zammad := channel.Spec.Helpdesk.Zammad
	return zammad != nil && zammad.Events != v1alpha1.HelpdeskEventsPoll
}

// NewHelpdeskSecret is the Secret with what the helpdesk signs its calls with, as it is created.
func NewHelpdeskSecret(channel *v1alpha1.WhatsAppChannel, secret string) *corev1.Secret {
	return owned(channel, HelpdeskName(channel.Name), map[string][]byte{config.HelpdeskSecretFile: []byte(secret)})
}

// HelpdeskSecretMetadata is what of that Secret is kept up to date.
func HelpdeskSecretMetadata(channel *v1alpha1.WhatsAppChannel) *corev1ac.SecretApplyConfiguration {
	return corev1ac.Secret(HelpdeskName(channel.Name), channel.Namespace).
		WithLabels(SecretLabels(channel.Name)).
		WithOwnerReferences(owner(channel))
}

// helpdeskFiles are what the receiver and the helpdesk know each other by. The token may be missing: a receiver runs
// without.
func helpdeskFiles(channel *v1alpha1.WhatsAppChannel, pod Pod) (files []*corev1ac.VolumeProjectionApplyConfiguration) {
	if ref := pod.HelpdeskToken; ref != nil {
		files = append(files, corev1ac.VolumeProjection().WithSecret(corev1ac.SecretProjection().
			WithName(ref.Name).WithItems(item(ref.Key, config.HelpdeskTokenFile)).WithOptional(true)))
	}
	if pod.HelpdeskSigns {
		files = append(files, projection(v1alpha1.SecretKeyReference{
			Name: HelpdeskName(channel.Name), Key: config.HelpdeskSecretFile,
		}, config.HelpdeskSecretFile))
	}
	return files
}

// MountsHelpdeskToken tells whether a Deployment's pods have the helpdesk's token from this key already.
func MountsHelpdeskToken(deployment *appsv1.Deployment, ref v1alpha1.SecretKeyReference) bool {
	for _, volume := range deployment.Spec.Template.Spec.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.Secret == nil || source.Secret.Name != ref.Name {
				continue
			}
			for _, item := range source.Secret.Items {
				if item.Key == ref.Key && item.Path == config.HelpdeskTokenFile {
					return true
				}
			}
		}
	}
	return false
}
