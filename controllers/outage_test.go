package controllers_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// maxWait is longer than any pause between two attempts.
const maxWait = 31 * time.Minute

var _ = Describe("Meta", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	DescribeTable("never touches a running receiver by failing",
		func(failure cloudapitest.Failure) {
			channel := f.createReady()
			versions := f.versions(channel)
			simulator.Fail(failure)
			clock.Step(2 * time.Hour)
			f.poke(channel)
			Eventually(func() int32 { return f.current(channel).Status.Graph.Failures }).Should(BeEquivalentTo(1))
			Expect(f.current(channel).Status.Graph.NextAttemptTime).NotTo(BeNil())
			Expect(f.versions(channel)).To(Equal(versions))
			Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beTrue(v1alpha1.ReasonReady), "what is known stands for some hours")

			By("letting the configuration change nevertheless")
			f.change(channel, func(c *v1alpha1.WhatsAppChannel) {
				c.Spec.Messages.Welcome = &v1alpha1.MessageText{Text: "Thanks for writing."}
			})
			Eventually(func() string {
				configMap := &corev1.ConfigMap{}
				f.get("support-receiver", configMap)
				return configMap.Data[config.ChannelFile]
			}).Should(And(ContainSubstring("Thanks for writing."), ContainSubstring(f.number.ID)))

			By("saying so when it lasts")
			clock.Step(8 * time.Hour)
			f.poke(channel)
			Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beUnknown(v1alpha1.ReasonGraphUnavailable, "a running receiver is not affected"))
			deployment := &appsv1.Deployment{}
			f.get("support-receiver", deployment)
			Expect(deployment.Generation).To(BeEquivalentTo(1))

			By("recovering")
			simulator.Heal()
			clock.Step(maxWait)
			f.poke(channel)
			Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
			Expect(f.current(channel).Status.Graph.Failures).To(BeZero())
		},
		Entry("with internal errors", cloudapitest.Failure{Code: 2}),
		Entry("with a proxy's page", cloudapitest.Failure{HTTPStatus: http.StatusBadGateway}),
		Entry("by closing connections", cloudapitest.Failure{CloseConnection: true}),
	)

	It("does not delay a receiver that starts", func() {
		simulator.Fail(cloudapitest.Failure{Code: 2})
		channel := f.create()
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beTrue(v1alpha1.ReasonAvailable))
		Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beUnknown(v1alpha1.ReasonGraphUnavailable))
		simulator.Heal()
		clock.Step(maxWait)
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	})

	It("is left alone by all channels of an app that it throttles", func() {
		first := f.createReady()
		simulator.Fail(cloudapitest.Failure{Code: 80008, RetryAfter: 20 * time.Minute})
		f.request(first)
		Eventually(func() int32 { return f.current(first).Status.Graph.Failures }).Should(BeEquivalentTo(1))
		until := f.current(first).Status.Graph.NextAttemptTime.Time
		Expect(until).To(BeTemporally(">=", clock.Now().Add(20*time.Minute).Truncate(time.Second)))

		By("not asking for another channel of the app either")
		clock.Step(2 * time.Minute)
		asked := simulator.Count()
		second := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Name = "zz-second" })
		Eventually(f.condition(second, v1alpha1.ConditionCredentialsValid)).Should(beUnknown(v1alpha1.ReasonGraphThrottled, "nothing has to be done"))
		Expect(simulator.Count()).To(Equal(asked))

		By("asking again when the pause is over")
		simulator.Heal()
		clock.Step(19 * time.Minute)
		f.poke(second)
		Eventually(f.condition(second, v1alpha1.ConditionCredentialsValid)).Should(beTrue(v1alpha1.ReasonAccepted))
	})

	It("is not asked again before the pause is over, not even after a restart", func() {
		simulator.Fail(cloudapitest.Failure{Code: 2})
		channel := f.create()
		Eventually(func() *v1alpha1.GraphStatus { return f.current(channel).Status.Graph }).Should(HaveField("Failures", BeEquivalentTo(1)))
		asked := simulator.Count()
		operator.stop()
		operator = startOperator()
		f.poke(channel)
		Consistently(func() int { return simulator.Count() }, 500*time.Millisecond).Should(Equal(asked))
	})
})
