package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var _ = Describe("A channel", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	It("goes live", func() {
		channel := f.create()
		By("saying what it waits for")
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonWaitingForReceiver))
		Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beFalse(v1alpha1.ReasonStarting))
		Expect(f.current(channel).Status.CallbackURL).To(Equal(f.callbackURL(channel)))
		Expect(f.override()).To(BeEmpty(), "nothing is registered before the receiver can answer")

		By("registering as soon as the receiver runs")
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.override()).To(Equal(f.callbackURL(channel)))
		Expect(f.condition(channel, v1alpha1.ConditionCallbackReachable)()).To(beTrue(v1alpha1.ReasonReachable))
		read := f.current(channel)
		Expect(read.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(read.Status.PhoneNumber.ID).To(Equal(f.number.ID))
		Expect(read.Status.App.ID).To(Equal(f.app.ID))
		Expect(read.Status.Registration.URL).To(Equal(f.callbackURL(channel)))
		Expect(read.Status.Registration.IntendedURL).To(BeEmpty())
		Expect(read.Status.VerifyTokenSecretRef.Name).To(Equal("support-verify-token"))
		Expect(*read.Status.Receiver.ReadyReplicas).To(BeEquivalentTo(1))

		By("telling the receiver its number")
		configMap := &corev1.ConfigMap{}
		f.get("support-receiver", configMap)
		running, err := config.Parse([]byte(configMap.Data[config.ChannelFile]))
		Expect(err).NotTo(HaveOccurred())
		Expect(running.PhoneNumber.ID).To(Equal(f.number.ID))

		By("asking Meta each thing once, though it took several reconciliations")
		Expect(calls(f.account.ID, cloudapitest.GetPhoneNumbers)).To(Equal(1))
		Expect(calls(f.account.ID, cloudapitest.PostSubscribedApps)).To(Equal(1))
		Expect(calls(f.number.ID, cloudapitest.PostPhoneNumber)).To(Equal(1))
	})

	It("rests when nothing changes, even after a restart", func() {
		channel := f.createReady()
		Eventually(f.current).WithArguments(channel).Should(HaveField("Status.Receiver.Backlog", Not(BeNil())))
		versions, status := f.versions(channel), f.current(channel).Status

		By("being looked at again and again")
		before := requests.snapshot()
		graph := simulator.Count()
		for range 3 {
			f.poke(channel)
			Consistently(func() []string { return requests.snapshot()[len(before):] }, 300*time.Millisecond).Should(BeEmpty())
		}
		Expect(simulator.Count()).To(Equal(graph))

		By("starting anew")
		operator.stop()
		before = requests.snapshot()
		operator = startOperator()
		f.poke(channel)
		asked := func() []string { return requestsIn(requests.snapshot()[len(before):], []string{f.namespace}) }
		Eventually(asked).ShouldNot(BeEmpty())
		Consistently(func() map[string]string { return f.versions(channel) }, time.Second).Should(Equal(versions))
		Expect(f.current(channel).Status).To(Equal(status))
		Expect(asked()).To(HaveEach(MatchRegexp("^GET .*/secrets/")), "only what is in Secrets has to be read again")
		Expect(simulator.Count()).To(Equal(graph), "a fresh status spares Meta a call")

		By("asking Meta again after an hour, and not before")
		clock.Step(59 * time.Minute)
		f.poke(channel)
		Consistently(func() int { return simulator.Count() }, 300*time.Millisecond).Should(Equal(graph))
		clock.Step(8 * time.Minute)
		f.poke(channel)
		Eventually(func() int { return simulator.Count() }).Should(BeNumerically(">", graph))
		Eventually(func() time.Time { return f.current(channel).Status.Graph.LastRefreshTime.Time }).Should(BeTemporally(">", status.Graph.LastRefreshTime.Time))
		Expect(f.versions(channel)).To(Equal(versions))
	})

	It("never lists Secrets, but for the metadata of those with the label", func() {
		f.createReady()
		Expect(requests.listsOfSecrets()).NotTo(BeEmpty())
		Expect(requests.listsOfSecrets()).To(HaveEach(secretList{selector: "whatsapp-operator.io/use=channel", metadataOnly: true}))
	})

	It("repairs what somebody changed or deleted", func() {
		channel := f.createReady()
		service := &corev1.Service{}
		f.get("support-receiver", service)
		service.Spec.Selector["app.kubernetes.io/instance"] = "other"
		Expect(api.Update(f.ctx, service)).To(Succeed())
		Eventually(func() map[string]string {
			f.get("support-receiver", service)
			return service.Spec.Selector
		}).Should(HaveKeyWithValue("app.kubernetes.io/instance", channel.Name))

		deployment := &appsv1.Deployment{}
		f.get("support-receiver", deployment)
		deployment.Spec.Template.Spec.Containers[0].Image = "example.com/other"
		delete(deployment.Labels, manifests.ManagedByLabel)
		Expect(api.Update(f.ctx, deployment)).To(Succeed())
		Eventually(func() string {
			f.get("support-receiver", deployment)
			return deployment.Spec.Template.Spec.Containers[0].Image + " " + deployment.Labels[manifests.ManagedByLabel]
		}).Should(Equal(receiverImage + " " + manifests.ManagedBy))

		configMap := &corev1.ConfigMap{}
		f.get("support-receiver", configMap)
		uid := configMap.UID
		Expect(api.Delete(f.ctx, configMap)).To(Succeed())
		Eventually(func() error {
			return api.Get(f.ctx, client.ObjectKey{Namespace: f.namespace, Name: "support-receiver"}, configMap)
		}).Should(Succeed())
		Expect(configMap.UID).NotTo(Equal(uid))
	})

	It("mirrors what the receiver says of itself", func() {
		at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		receiver.say(config.Status{Backlog: 3, DeadLetters: 1, Misrouted: 2, LastMessageTime: &at}, nil)
		channel := f.createReady()
		Eventually(func() *v1alpha1.ReceiverStatus { return f.current(channel).Status.Receiver }).Should(And(
			HaveField("Backlog", HaveValue(BeEquivalentTo(3))), HaveField("DeadLetters", HaveValue(BeEquivalentTo(1))),
			HaveField("Misrouted", HaveValue(BeEquivalentTo(2))),
			HaveField("LastMessageTime.Time", BeTemporally("==", at))))

		By("keeping it while the receiver does not answer")
		receiver.say(config.Status{}, context.DeadlineExceeded)
		clock.Step(6 * time.Minute)
		f.poke(channel)
		Consistently(func() *int64 { return f.current(channel).Status.Receiver.Backlog }, 300*time.Millisecond).Should(HaveValue(BeEquivalentTo(3)))
		Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beTrue(v1alpha1.ReasonReady))
	})

	It("is not ready while the receiver turns webhooks away, and asks sooner whether that is over", func() {
		channel := f.createReady()
		receiver.say(config.Status{TurningAway: "The volume is nearly full."}, nil)
		f.request(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonTurningAway, "The volume is nearly full."))
		Expect(f.current(channel).Status.Receiver.TurningAway).To(Equal("The volume is nearly full."))

		receiver.say(config.Status{}, nil)
		clock.Step(31 * time.Second)
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	})
})

// calls counts the calls of Meta that were about one object.
func calls(object string, endpoint cloudapitest.Endpoint) int {
	count := 0
	for _, request := range simulator.Requests() {
		if request.Object == object && request.Endpoint == endpoint && request.Status == 200 {
			count++
		}
	}
	return count
}
