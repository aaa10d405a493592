package controllers_test

import (
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/test/leaksink"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var _ = Describe("A secret that is replaced", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	value := func(secret, key string) string {
		GinkgoHelper()
		read := &corev1.Secret{}
		f.get(secret, read)
		return string(read.Data[key])
	}
	// accepted is the value that the receiver accepts besides the current one, which is the same while nothing is replaced.
	accepted := func(file string) func() string {
		return func() string {
			GinkgoHelper()
			return value("support-api", file)
		}
	}
	resetAppSecret := func(secret string) {
		GinkgoHelper()
		leaksink.Register(secret)
		Expect(simulator.ResetAppSecret(f.app.ID, secret)).To(BeTrue())
		f.setSecret(map[string]string{"app-secret": secret})
	}

	It("is accepted for another day, if it is the app secret", func() {
		channel := f.createReady()
		generation := f.deployment().Generation
		Expect(accepted(config.PreviousAppSecretFile)()).To(Equal(f.app.Secret))

		resetAppSecret("app-secret-after-its-reset")
		Eventually(accepted(config.PreviousAppSecretFile + ".since")).ShouldNot(BeEmpty())
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beTrue(v1alpha1.ReasonAccepted))
		clock.Step(23 * time.Hour)
		f.request(channel)
		Expect(accepted(config.PreviousAppSecretFile)()).To(Equal(f.app.Secret))

		By("restarting the operator, which remembers nothing")
		operator.stop()
		clock.Step(time.Hour)
		operator = startOperator()
		Eventually(accepted(config.PreviousAppSecretFile)).Should(Equal("app-secret-after-its-reset"))
		Expect(accepted(config.PreviousAppSecretFile + ".since")()).To(BeEmpty())
		Expect(f.deployment().Generation).To(Equal(generation))
	})

	It("is accepted while the new app secret is wrong, but a wrong one is not when it is put right", func() {
		channel := f.createReady()
		leaksink.Register("a-wrong-app-secret")
		f.setSecret(map[string]string{"app-secret": "a-wrong-app-secret"})
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beFalse(v1alpha1.ReasonAppSecretInvalid))
		f.request(channel)
		Expect(accepted(config.PreviousAppSecretFile)()).To(Equal(f.app.Secret))

		f.setSecret(map[string]string{"app-secret": f.app.Secret})
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beTrue(v1alpha1.ReasonAccepted))
		Eventually(accepted(config.PreviousAppSecretFile + ".since")).Should(BeEmpty())
		Expect(accepted(config.PreviousAppSecretFile)()).To(Equal(f.app.Secret))
	})

	It("is not accepted any longer if it never was the app secret", func() {
		f.setSecret(map[string]string{"app-secret": "a-placeholder"})
		channel := f.create()
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beFalse(v1alpha1.ReasonAppSecretInvalid))
		f.setSecret(map[string]string{"app-secret": f.app.Secret})
		Eventually(accepted(config.PreviousAppSecretFile)).Should(Equal(f.app.Secret))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	})

	It("is another verify token on request, once, and the one before is accepted until Meta made its handshake", func() {
		channel := f.createReady()
		before := value("support-verify-token", "verify-token")
		registrations := simulator.Count(cloudapitest.PostPhoneNumber)

		By("a receiver that has not taken it up yet")
		door.answer("/"+f.namespace+"/support", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		f.annotate(channel, v1alpha1.RotateVerifyTokenAtAnnotation, "2026-11-26")
		Eventually(func() string { return f.current(channel).Status.LastHandledRotation }).Should(Equal("2026-11-26"))
		after := value("support-verify-token", "verify-token")
		Expect(after).NotTo(Equal(before))
		Eventually(accepted(config.PreviousVerifyTokenFile + ".since")).ShouldNot(BeEmpty())
		Expect(accepted(config.PreviousVerifyTokenFile)()).To(Equal(before))
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beFalse(v1alpha1.ReasonVerifyTokenRefused))
		Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beTrue(v1alpha1.ReasonReady))
		Expect(simulator.Count(cloudapitest.PostPhoneNumber)).To(Equal(registrations))

		By("a receiver that has")
		door.reset()
		f.request(channel)
		Eventually(accepted(config.PreviousVerifyTokenFile)).Should(Equal(after))
		Expect(accepted(config.PreviousVerifyTokenFile + ".since")()).To(BeEmpty())
		Expect(simulator.Count(cloudapitest.PostPhoneNumber)).To(Equal(registrations + 1))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))

		By("looking again")
		f.request(channel)
		Expect(value("support-verify-token", "verify-token")).To(Equal(after))
		Expect(simulator.Count(cloudapitest.PostPhoneNumber)).To(Equal(registrations + 1))
	})

	It("is accepted for a day, if it is a verify token that a person has to paste", func() {
		simulator.SetOverride(f.number.ID, f.app.ID, strings.ReplaceAll("https://"+publicHostname+"/{}/support", "{}", f.namespace))
		simulator.SubscribeAccount(f.account.ID, f.app.ID)
		channel := f.createReady(manual)
		before := value("support-verify-token", "verify-token")
		f.annotate(channel, v1alpha1.RotateVerifyTokenAtAnnotation, "now")
		Eventually(func() string { return f.current(channel).Status.LastHandledRotation }).Should(Equal("now"))
		Eventually(accepted(config.PreviousVerifyTokenFile + ".since")).ShouldNot(BeEmpty())
		f.request(channel)
		Expect(accepted(config.PreviousVerifyTokenFile)()).To(Equal(before))
		clock.Step(24 * time.Hour)
		f.request(channel)
		Eventually(accepted(config.PreviousVerifyTokenFile)).Should(Equal(value("support-verify-token", "verify-token")))
	})
})
