package controllers_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var _ = Describe("The registration", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	const foreignURL = "https://elsewhere.example.com/webhook"

	start := func(change ...func(*v1alpha1.WhatsAppChannel)) *v1alpha1.WhatsAppChannel {
		GinkgoHelper()
		channel := f.create(change...)
		f.runReceiver(channel)
		return channel
	}

	It("tells the admin what to paste, and sees when it was done", func() {
		channel := start(manual)
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonNotRegistered,
			"Paste the callback URL "+f.callbackURL(channel), "Meta has https://app.example.com/webhook",
			"kubectl get secret support-verify-token --namespace "+f.namespace, `{{index .data "verify-token" | base64decode}}`))
		Eventually(f.condition(channel, v1alpha1.ConditionStalled)).Should(beTrue(v1alpha1.ReasonNotRegistered))
		Expect(f.current(channel).Finalizers).To(BeEmpty(), "nothing was written at Meta")
		Expect(f.override()).To(BeEmpty())

		simulator.SubscribeApp(f.app.ID, f.callbackURL(channel), "messages")
		f.request(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonAccountNotSubscribed, "POST /"+f.account.ID+"/subscribed_apps"))
		simulator.SubscribeAccount(f.account.ID, f.app.ID)
		f.request(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	})

	It("looks at Meta as soon as the receiver saw that the URL was pasted", func() {
		channel := start(manual)
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonNotRegistered))
		simulator.SubscribeApp(f.app.ID, f.callbackURL(channel), "messages")
		simulator.SubscribeAccount(f.account.ID, f.app.ID)
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beTrue(v1alpha1.ReasonReachable))
		clock.Step(40 * time.Second)
		f.poke(channel)
		Consistently(f.condition(channel, v1alpha1.ConditionWebhookRegistered), "300ms").Should(beFalse(v1alpha1.ReasonNotRegistered))
		// A handshake at the time of a probe may be the operator's own.
		clock.Step(20 * time.Second)
		seen := clock.Now()
		receiver.say(config.Status{LastHandshakeTime: &seen}, nil)
		clock.Step(40 * time.Second)
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	})

	It("recommends Automatic where the app's one URL is another channel's", func() {
		first := start(manual)
		Eventually(f.condition(first, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonNotRegistered))
		simulator.SubscribeApp(f.app.ID, f.callbackURL(first), "messages")
		other := f.addNumber("+44 20 7946 0958")
		second := start(manual, func(c *v1alpha1.WhatsAppChannel) {
			c.Name, c.Spec.PhoneNumber = "zz-second", other.DisplayPhoneNumber
		})
		Eventually(f.condition(second, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonAppCallbackTaken, "registration: Automatic"))
	})

	It("does not fight over a number that somebody else routes", func() {
		simulator.SetOverride(f.number.ID, f.app.ID, foreignURL)
		channel := start()
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonForeignOverride,
			"kubectl annotate wac support --namespace "+f.namespace+" --overwrite whatsapp-operator.io/take-over="+foreignURL))
		Expect(f.override()).To(Equal(foreignURL))
		Expect(calls(f.account.ID, cloudapitest.PostSubscribedApps)).To(BeZero(), "nothing is written before the admin decided")

		By("taking over only the URL that the annotation names")
		f.annotate(channel, v1alpha1.TakeOverAnnotation, "https://another.example.com/webhook")
		f.request(channel)
		Expect(f.override()).To(Equal(foreignURL))
		f.annotate(channel, v1alpha1.TakeOverAnnotation, foreignURL)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.override()).To(Equal(f.callbackURL(channel)))
	})

	It("needs the app's own subscription, and makes it only when told", func() {
		f.app = simulator.AddApp(cloudapitest.App{})
		f.setSecret(map[string]string{"access-token": f.issue(cloudapitest.Token{}), "app-secret": f.app.Secret})
		channel := start()
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonAppNotSubscribed, "appSubscription: CreateIfAbsent"))
		Expect(calls(f.app.ID, cloudapitest.PostAppSubscriptions)).To(BeZero())
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.AppSubscription = v1alpha1.AppSubscriptionCreateIfAbsent
		})
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(calls(f.app.ID, cloudapitest.PostAppSubscriptions)).To(Equal(1))
		Expect(f.override()).To(Equal(f.callbackURL(channel)))
	})

	It("notices that the field messages is not subscribed", func() {
		simulator.SubscribeApp(f.app.ID, "https://app.example.com/webhook", "account_update")
		channel := start()
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonFieldNotSubscribed, "field messages"))
		Expect(f.override()).To(BeEmpty())
	})

	It("says under which name nobody reaches the channel", func() {
		channel := start(func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = "" })
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonHostnameMissing, "spec.callback.hostname", "--callback-hostname"))
		Expect(f.condition(channel, v1alpha1.ConditionCallbackReachable)()).To(beUnknown(v1alpha1.ReasonHostnameMissing))
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = publicHostname })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	})

	It("explains Meta's failure by the operator's own, and goes on when the name resolves", func() {
		door.shut(true, true)
		channel := start()
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beFalse(v1alpha1.ReasonNameNotResolved, "DNS does not know the hostname"))
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonWaitingForCallback, "see CallbackReachable"))
		Expect(calls(f.number.ID, cloudapitest.PostPhoneNumber)).To(BeZero(), "Meta's handshake would fail")
		f.outwait(channel).Should(beFalse(v1alpha1.ReasonCallbackVerificationFailed,
			"Meta could not verify the callback URL, because DNS does not know the hostname.", "curl_errno = 6"))
		Expect(f.condition(channel, v1alpha1.ConditionReconciling)()).To(beTrue(v1alpha1.ReasonCallbackVerificationFailed))
		Expect(f.current(channel).Status.Graph.NextAttemptTime).NotTo(BeNil())
		door.shut(false, false)
		clock.Step(maxWait)
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.current(channel).Status.Graph.NextAttemptTime).To(BeNil())
	})

	DescribeTable("explains what answers in the receiver's place",
		func(answer http.HandlerFunc, reason, message string) {
			door.answer("/"+f.namespace+"/support", answer)
			channel := start()
			Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beFalse(reason, message))
			f.outwait(channel).Should(beFalse(v1alpha1.ReasonCallbackVerificationFailed, message))
		},
		Entry("a receiver with another verify token", status(http.StatusForbidden), v1alpha1.ReasonVerifyTokenRefused, "another verify token"),
		Entry("a front door without the route", status(http.StatusNotFound), v1alpha1.ReasonUnexpectedStatus, "the path is not routed"),
		Entry("a front door without the receiver", status(http.StatusBadGateway), v1alpha1.ReasonUnexpectedStatus, "does not reach the receiver"),
		Entry("a redirect", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://169.254.169.254/", http.StatusFound)
		}), v1alpha1.ReasonRedirected, "does not follow"),
		Entry("a web page", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }), v1alpha1.ReasonWrongAnswer, "without the challenge"),
	)

	It("says so where Meta cannot reach what the cluster can", func() {
		simulator.Fail(cloudapitest.Failure{Endpoint: cloudapitest.PostPhoneNumber, Object: f.number.ID, Code: 2200})
		channel := start()
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonCallbackVerificationFailed,
			"reachable from the cluster but not from the Internet"))
		Expect(f.condition(channel, v1alpha1.ConditionCallbackReachable)()).To(beTrue(v1alpha1.ReasonReachable))
	})

	It("registers a moment later where the route comes a moment after the receiver, without a failure at Meta", func() {
		door.answer("/"+f.namespace+"/support", status(http.StatusServiceUnavailable))
		channel := start()
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonWaitingForCallback))
		door.reset()
		f.waitBy(channel, 3*time.Second).Should(beTrue(v1alpha1.ReasonRegistered))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		for _, request := range simulator.Requests() {
			if request.Object == f.number.ID {
				Expect(request.Status).To(Equal(http.StatusOK))
			}
		}
	})

	It("believes Meta rather than a cluster that cannot reach its own front door", func() {
		door.shut(true, false)
		channel := start()
		f.outwait(channel).Should(beTrue(v1alpha1.ReasonRegistered))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.condition(channel, v1alpha1.ConditionCallbackReachable)()).To(beUnknown(v1alpha1.ReasonNotReachableFromCluster, "Meta has the callback URL"))
	})

	It("goes on soon where it could not be noted that the URL is about to be written", func() {
		channel := start(manual)
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonNotRegistered))
		plan := faults.plan(f, faultPlan{dieAfter: -1, lose: "PATCH whatsappchannels/support"})
		DeferCleanup(faults.none)
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Registration = v1alpha1.RegistrationAutomatic })
		Eventually(func() (lost bool) {
			faults.read(func() { lost = plan.lose == "" })
			return lost
		}).Should(BeTrue())
		Eventually(func() metav1.Condition {
			clock.Step(time.Second)
			f.poke(channel)
			return f.condition(channel, v1alpha1.ConditionWebhookRegistered)()
		}).WithPolling(100 * time.Millisecond).Should(beTrue(v1alpha1.ReasonRegistered))
		Expect(clock.Since(f.current(channel).CreationTimestamp.Time)).To(BeNumerically("<", 30*time.Minute))
	})

	It("tells that the API server does not let it be noted", func() {
		channel := start(manual)
		Eventually(f.condition(channel, v1alpha1.ConditionWebhookRegistered)).Should(beFalse(v1alpha1.ReasonNotRegistered))
		faults.plan(f, faultPlan{dieAfter: -1, denyWrite: "PATCH whatsappchannels/support"})
		DeferCleanup(faults.none)
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Registration = v1alpha1.RegistrationAutomatic })
		told := func() metav1.Condition {
			clock.Step(time.Second)
			f.poke(channel)
			return f.condition(channel, v1alpha1.ConditionWebhookRegistered)()
		}
		Eventually(told).WithPolling(100 * time.Millisecond).Should(beFalse(v1alpha1.ReasonRefused, "change the finalizers", "the user has not the right"))
		Expect(f.override()).To(BeEmpty(), "nobody would take it back")
		faults.none()
		Eventually(told).WithPolling(100 * time.Millisecond).Should(beTrue(v1alpha1.ReasonRegistered))
	})

	It("follows the hostname, and knows its own URL even where it never learned that it was written", func() {
		By("losing Meta's answer to the write")
		simulator.Fail(cloudapitest.Failure{Endpoint: cloudapitest.PostPhoneNumber, Object: f.number.ID, Times: 1, AfterEffect: true, CloseConnection: true})
		channel := start()
		Eventually(func() string { return f.override() }).Should(Equal(f.callbackURL(channel)))
		Eventually(func() *v1alpha1.GraphStatus { return f.current(channel).Status.Graph }).Should(HaveField("Failures", BeEquivalentTo(1)))
		Expect(f.current(channel).Status.Registration.URL).To(BeEmpty())

		By("declaring another hostname before the operator could read it back")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = otherHostname })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.override()).To(Equal("https://" + otherHostname + "/" + f.namespace + "/support"))
	})

	It("takes back a URL that is its own and that another cluster's operator wrote, when the channel is deleted", func() {
		url := f.callbackURL(f.channel())
		simulator.SetOverride(f.number.ID, f.app.ID, url)
		simulator.SubscribeAccount(f.account.ID, f.app.ID)
		Expect(api.Delete(f.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: secretName, Namespace: f.namespace}})).To(Succeed())
		channel := f.create()
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beFalse(v1alpha1.ReasonSecretNotFound))
		f.createSecret(secretName, f.token, f.app.Secret)
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(calls(f.number.ID, cloudapitest.PostPhoneNumber)).To(BeZero(), "nothing had to be written")
		Expect(f.current(channel).Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		f.delete(channel)
		Expect(f.override()).To(BeEmpty())
	})

	It("notices that somebody else took the number, at the next look", func() {
		channel := f.createReady()
		simulator.SetOverride(f.number.ID, f.app.ID, foreignURL)
		f.request(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonForeignOverride))
		Expect(f.override()).To(Equal(foreignURL))
	})
})

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
