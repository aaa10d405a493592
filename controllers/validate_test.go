package controllers

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.WhatsAppChannel)
		says   string
	}{
		"valid":           {func(*v1alpha1.WhatsAppChannel) {}, ""},
		"any writing":     {func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 (631) 555-1111" }, ""},
		"name":            {func(c *v1alpha1.WhatsAppChannel) { c.Name = "1st" }, "metadata.name"},
		"long name":       {func(c *v1alpha1.WhatsAppChannel) { c.Name = strings.Repeat("a", 49) }, "at most 48 characters"},
		"account":         {func(c *v1alpha1.WhatsAppChannel) { c.Spec.BusinessAccountID = "1e15" }, "spec.businessAccountID"},
		"token":           {func(c *v1alpha1.WhatsAppChannel) { c.Spec.AccessTokenSecretRef.Key = "" }, "spec.accessTokenSecretRef"},
		"secret":          {func(c *v1alpha1.WhatsAppChannel) { c.Spec.AppSecretSecretRef.Name = "" }, "spec.appSecretSecretRef"},
		"short number":    {func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "112" }, "spec.phoneNumber"},
		"number in words": {func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "call 631 555 1111" }, "spec.phoneNumber"},
		"group":           {func(c *v1alpha1.WhatsAppChannel) { c.Spec.TargetGroup = "" }, "spec.targetGroup"},
		"hostname":        {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = "wa.example.com/path" }, "spec.callback.hostname"},
		"long URL": {func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.Hostname = strings.Repeat("abcdefghi.", 12) + "example.com"
			c.Namespace = strings.Repeat("n", 63)
			c.Name = strings.Repeat("a", 48)
		}, "Meta accepts 200"},
		"subscription": {func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.AppSubscription = v1alpha1.AppSubscriptionCreateIfAbsent
		}, "needs spec.callback.registration: Automatic"},
		"claims": {func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Receiver.Resources = &corev1.ResourceRequirements{Claims: []corev1.ResourceClaim{{Name: "gpu"}}}
		}, "spec.receiver.resources.claims"},
	} {
		t.Run(name, func(t *testing.T) {
			channel := &v1alpha1.WhatsAppChannel{
				ObjectMeta: metav1.ObjectMeta{Name: "support", Namespace: "helpdesk"},
				Spec: v1alpha1.WhatsAppChannelSpec{
					BusinessAccountID:    "102290129340398",
					AccessTokenSecretRef: v1alpha1.SecretKeyReference{Name: "s", Key: "t"},
					AppSecretSecretRef:   v1alpha1.SecretKeyReference{Name: "s", Key: "a"},
					TargetGroup:          "2nd Level",
				},
			}
			tc.change(channel)
			got := (&Reconciler{}).validate(channel)
			switch {
			case tc.says == "" && got != nil:
				t.Errorf("a valid channel is refused: %s", got.message)
			case tc.says != "" && (got == nil || !strings.Contains(got.message, tc.says)):
				t.Errorf("it does not say %q but %+v", tc.says, got)
			case got != nil && !got.needsPerson():
				t.Error("nobody is called, although only a person can help")
			}
		})
	}
}
