package manifests

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

func TestChannelConfigSaysWhatIsSentAndWhetherItIs(t *testing.T) {
	text := func(s string) *v1alpha1.MessageText { return &v1alpha1.MessageText{Text: s} }
	for name, tc := range map[string]struct {
		messages v1alpha1.Messages
		delivery v1alpha1.DeliveryMode
		want     config.Messages
		held     config.Delivery
	}{
		"nothing":               {},
		"every text":            {v1alpha1.Messages{Welcome: text("w"), Goodbye: text("g"), Unsupported: text("u")}, "", config.Messages{Welcome: "w", Goodbye: "g", Unsupported: "u"}, ""},
		"a reminder in time":    {v1alpha1.Messages{Reminder: &v1alpha1.ReminderText{Text: "r", AfterMinutes: ptr.To[int32](90)}}, "", config.Messages{Reminder: &config.Reminder{Text: "r", AfterMinutes: 90}}, ""},
		"a reminder at no time": {v1alpha1.Messages{Reminder: &v1alpha1.ReminderText{Text: "r"}}, "", config.Messages{Reminder: &config.Reminder{Text: "r", AfterMinutes: 1200}}, ""},
		"active":                {v1alpha1.Messages{}, v1alpha1.DeliveryActive, config.Messages{}, ""},
		"held":                  {v1alpha1.Messages{}, v1alpha1.DeliveryHeld, config.Messages{}, config.Held},
	} {
		got := ChannelConfig(channel(func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Messages, c.Spec.Delivery = tc.messages, tc.delivery
		}), nil, Graph{}, Place{})
		if diff := cmp.Diff(tc.want, got.Messages); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got.Delivery != tc.held {
			t.Errorf("%s: delivery %q, want %q", name, got.Delivery, tc.held)
		}
	}
}
