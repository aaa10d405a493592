package manifests

import (
	"encoding/json"
	"fmt"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// Graph is the Graph API that receivers call, and how they trust it.
type Graph struct {
	BaseURL string
	Version string
	// CA holds PEM certificates to trust besides the system's, or nothing.
	CA string
}

// Place is where a channel is, as others see it.
type Place struct {
	// CallbackURL is empty as long as it is not known.
	CallbackURL string
	// Installation tells channels of the same name in several clusters apart.
	Installation string
}

// ChannelConfig is a channel as its receiver needs to know it. The phone number is nil until it is known.
func ChannelConfig(channel *v1alpha1.WhatsAppChannel, number *config.PhoneNumber, graph Graph, place Place) config.Channel {
	c := config.Channel{
		Namespace:         channel.Namespace,
		Name:              channel.Name,
		BusinessAccountID: channel.Spec.BusinessAccountID,
		PhoneNumber:       number,
		TargetGroup:       channel.Spec.TargetGroup,
		RetentionDays:     ptr.Deref(channel.Spec.Receiver.Storage.RetentionDays, 0),
		Graph:             config.Graph{BaseURL: graph.BaseURL, Version: graph.Version},
	}
	c.Messages = messages(channel.Spec.Messages)
	c.Helpdesk = helpdesk(channel, place)
	if channel.Spec.Delivery == v1alpha1.DeliveryHeld {
		c.Delivery = config.Held
	}
	return c
}

// reminderAfterMinutes is when a reminder is sent unless the channel says otherwise: 20 hours after the customer's last
// message, which leaves them four to answer in.
const reminderAfterMinutes = 1200

func messages(declared v1alpha1.Messages) config.Messages {
	text := func(m *v1alpha1.MessageText) string {
		if m == nil {
			return ""
		}
		return m.Text
	}
	m := config.Messages{
		Welcome: text(declared.Welcome), Goodbye: text(declared.Goodbye), Unsupported: text(declared.Unsupported),
	}
	if r := declared.Reminder; r != nil {
		m.Reminder = &config.Reminder{Text: r.Text, AfterMinutes: ptr.Deref(r.AfterMinutes, reminderAfterMinutes)}
	}
	return m
}

// ConfigMap holds the receiver's configuration.
func ConfigMap(channel *v1alpha1.WhatsAppChannel, number *config.PhoneNumber, graph Graph, place Place) (*corev1ac.ConfigMapApplyConfiguration, error) {
	encoded, err := json.MarshalIndent(ChannelConfig(channel, number, graph, place), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", config.ChannelFile, err)
	}
	data := map[string]string{config.ChannelFile: string(encoded) + "\n"}
	if graph.CA != "" {
		data[config.CAFile] = graph.CA
	}
	return corev1ac.ConfigMap(ReceiverName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithOwnerReferences(owner(channel)).
		WithData(data), nil
}

// ServiceAccount is the identity of the receiver's pods: one without rights and without a token.
func ServiceAccount(channel *v1alpha1.WhatsAppChannel) *corev1ac.ServiceAccountApplyConfiguration {
	return corev1ac.ServiceAccount(ReceiverName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithOwnerReferences(owner(channel)).
		WithAutomountServiceAccountToken(false)
}
