package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var _ = Describe("An API server that forbids what it allowed", func() {
	var (
		f       *fixture
		channel *v1alpha1.WhatsAppChannel
		plan    *faultPlan
	)
	BeforeEach(func() {
		f = newFixture()
		channel = f.createReady()
		plan = faults.plan(f, faultPlan{dieAfter: -1, forbid: true})
		DeferCleanup(faults.none)
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Messages.Welcome = text("Thanks for writing.") })
	})

	refused := func() (n int) {
		faults.read(func() { n = len(plan.refused) })
		return n
	}

	// settled waits until the new spec is acted on, and the status says so.
	settled := func() {
		GinkgoHelper()
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		configMap := &corev1.ConfigMap{}
		f.get("support-receiver", configMap)
		Expect(configMap.Data[config.ChannelFile]).To(ContainSubstring("Thanks for writing."))
	}

	It("is asked again within seconds, and the channel goes on as if nothing had been", func() {
		before := f.current(channel).Status
		Eventually(refused).Should(BeNumerically(">=", 3))
		during := f.current(channel)
		Expect(during.Status.Conditions).To(Equal(before.Conditions))
		Expect(kstatusOutdated(during)).To(BeTrue(), "the new spec was not acted on yet")
		faults.none()
		settled()
	})

	It("is taken at its word when it goes on for longer", func() {
		Eventually(refused).Should(BeNumerically(">=", 1))
		clock.Step(16 * time.Second)
		Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beFalse(v1alpha1.ReasonRefused, "The API server refuses an object of the channel", "the user has not the right"))
		faults.none()
		f.poke(channel)
		settled()
	})
})
