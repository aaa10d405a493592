package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
)

var _ = Describe("Credentials", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	// expectBroken expects CredentialsValid to be False, Ready to repeat it, and a person to be called.
	expectBroken := func(channel *v1alpha1.WhatsAppChannel, reason string, message ...string) {
		GinkgoHelper()
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beFalse(reason, message...))
		Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beFalse(reason, message...))
		Expect(f.condition(channel, v1alpha1.ConditionStalled)()).To(beTrue(reason))
	}

	It("names a Secret that is missing, and goes on when it is there", func() {
		secret := &corev1.Secret{}
		f.get(secretName, secret)
		Expect(api.Delete(f.ctx, secret)).To(Succeed())
		channel := f.create()
		expectBroken(channel, v1alpha1.ReasonSecretNotFound, `Secret "whatsapp-support"`, "spec.accessTokenSecretRef", `key "access-token"`, "whatsapp-operator.io/use=channel")
		Expect(f.condition(channel, v1alpha1.ConditionReceiverAvailable)()).To(beFalse(v1alpha1.ReasonWaitingForSecrets))
		Consistently(f.absent("support-receiver", &appsv1.Deployment{}), 200*time.Millisecond).Should(BeTrue(), "a pod could not mount what is missing")
		f.createSecret(secretName, f.token, f.app.Secret)
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beTrue(v1alpha1.ReasonAccepted, f.app.ID))
	})

	It("does not read a Secret without the label, and says how to add it", func() {
		secret := &corev1.Secret{}
		f.get(secretName, secret)
		secret.Labels = nil
		Expect(api.Update(f.ctx, secret)).To(Succeed())
		channel := f.create()
		expectBroken(channel, v1alpha1.ReasonSecretNotLabelled,
			"kubectl label secret whatsapp-support --namespace "+f.namespace+" whatsapp-operator.io/use=channel")
		f.get(secretName, secret)
		secret.Labels = map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel}
		Expect(api.Update(f.ctx, secret)).To(Succeed())
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beTrue(v1alpha1.ReasonAccepted))
	})

	It("names a key that is missing, and the keys that are there", func() {
		channel := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Spec.AppSecretSecretRef.Key = "secret" })
		expectBroken(channel, v1alpha1.ReasonSecretKeyMissing, `no key "secret"`, `"access-token", "app-secret"`)
	})

	It("names a value that is empty", func() {
		f.setSecret(map[string]string{"access-token": " \n"})
		expectBroken(f.create(), v1alpha1.ReasonSecretValueEmpty, `Key "access-token"`)
	})

	It("does not mind a line break at the end of a value", func() {
		f.setSecret(map[string]string{"access-token": f.token + "\n", "app-secret": f.app.Secret + "\r\n"})
		Eventually(f.condition(f.create(), v1alpha1.ConditionCredentialsValid)).Should(beTrue(v1alpha1.ReasonAccepted))
	})

	It("notices a dead token, and a new one at once", func() {
		channel := f.createReady()
		versions := f.versions(channel)
		simulator.RevokeToken(f.token)
		f.request(channel)
		expectBroken(channel, v1alpha1.ReasonTokenInvalid, "Generate a new token")
		Expect(f.condition(channel, v1alpha1.ConditionPhoneNumberReady)()).To(beUnknown(v1alpha1.ReasonWaitingForCredentials))
		f.setSecret(map[string]string{"access-token": f.issue(cloudapitest.Token{})})
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.versions(channel)).To(Equal(versions), "the receiver reads the Secret again by itself")
	})

	It("lists the permissions that a token lacks", func() {
		f.setSecret(map[string]string{"access-token": f.issue(cloudapitest.Token{Scopes: []string{cloudapi.ScopeManagement}})})
		channel := f.create()
		expectBroken(channel, v1alpha1.ReasonPermissionsMissing, "lacks the permission whatsapp_business_messaging.")
		Expect(f.current(channel).Status.AccessToken.Scopes).To(ConsistOf(cloudapi.ScopeManagement))
	})

	It("proves the app secret", func() {
		f.setSecret(map[string]string{"app-secret": "0123456789abcdef0123456789abcdef"})
		expectBroken(f.create(), v1alpha1.ReasonAppSecretInvalid, "not that of app "+f.app.ID)
	})

	It("proves the app secret with every call, for apps that answer no others", func() {
		simulator.AddApp(cloudapitest.App{ID: f.app.ID, Secret: f.app.Secret, RequireProof: true})
		channel := f.createReady()
		Expect(api.Delete(f.ctx, channel)).To(Succeed())
		Eventually(func() error { return api.Get(f.ctx, client.ObjectKeyFromObject(channel), channel) }).ShouldNot(Succeed())
		simulator.AddApp(cloudapitest.App{ID: f.app.ID, Secret: f.app.Secret})
		Expect(f.override()).To(BeEmpty(), "the callback URL was cleared at Meta")
	})

	It("tells a wrong app secret where the app answers nothing without the right one", func() {
		simulator.AddApp(cloudapitest.App{ID: f.app.ID, Secret: f.app.Secret, RequireProof: true})
		f.setSecret(map[string]string{"app-secret": "0123456789abcdef0123456789abcdef"})
		expectBroken(f.create(), v1alpha1.ReasonAppSecretInvalid, "not that of the app to which the access token belongs")
	})

	It("warns two weeks before a token ends", func() {
		end := clock.Now().Add(10 * 24 * time.Hour).UTC().Truncate(time.Second)
		f.setSecret(map[string]string{"access-token": f.issue(cloudapitest.Token{ExpiresAt: end})})
		channel := f.create()
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beTrue(v1alpha1.ReasonTokenExpiring, end.Format(time.RFC3339)))
		Expect(f.current(channel).Status.AccessToken.ExpiresAt.Time).To(BeTemporally("==", end))
	})
})
