package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var _ = Describe("A channel whose delivery is held", func() {
	It("is not ready, says so, and tells its receiver, until it is active again", func() {
		f := newFixture()
		channel := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Spec.Delivery = v1alpha1.DeliveryHeld })
		f.runReceiver(channel)
		delivery := func() config.Delivery {
			configMap := &corev1.ConfigMap{}
			f.get("support-receiver", configMap)
			running, err := config.Parse([]byte(configMap.Data[config.ChannelFile]))
			Expect(err).NotTo(HaveOccurred())
			return running.Delivery
		}
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonHeld))
		Expect(f.condition(channel, v1alpha1.ConditionStalled)()).To(beTrue(v1alpha1.ReasonHeld))
		Expect(f.condition(channel, v1alpha1.ConditionWebhookRegistered)()).To(beTrue(v1alpha1.ReasonRegistered))
		Expect(delivery()).To(Equal(config.Held))

		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Delivery = v1alpha1.DeliveryActive })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(delivery()).To(BeEmpty())
	})
})
