package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

var _ = Describe("The receiver", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	withService := func(annotations map[string]string) func(*v1alpha1.WhatsAppChannel) {
		return func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.Exposure.Service = &v1alpha1.ServiceExposure{
				Type: corev1.ServiceTypeLoadBalancer, Annotations: annotations, TLSSecretName: "wa-tls",
			}
		}
	}

	DescribeTable("does not adopt what somebody else made",
		func(object client.Object, conditionType string) {
			object.SetNamespace(f.namespace)
			Expect(api.Create(f.ctx, object)).To(Succeed())
			version := object.GetResourceVersion()
			channel := f.create(withService(nil))
			Eventually(f.condition(channel, conditionType)).Should(beFalse(v1alpha1.ReasonNameTaken, object.GetName(), "does not belong to this channel"))
			f.poke(channel)
			Consistently(func() string {
				f.get(object.GetName(), object)
				return object.GetResourceVersion()
			}, "200ms").Should(Equal(version))
		},
		Entry("a Deployment", deployment("support-receiver"), v1alpha1.ConditionReceiverAvailable),
		Entry("a Service", service("support-receiver"), v1alpha1.ConditionReceiverAvailable),
		Entry("a ConfigMap", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "support-receiver"}}, v1alpha1.ConditionReceiverAvailable),
		Entry("a ServiceAccount", &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "support-receiver"}}, v1alpha1.ConditionReceiverAvailable),
		Entry("a volume", claim("support-data"), v1alpha1.ConditionReceiverAvailable),
		Entry("a verify token", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "support-verify-token"}}, v1alpha1.ConditionReceiverAvailable),
		Entry("API tokens", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "support-api"}}, v1alpha1.ConditionReceiverAvailable),
		Entry("an authority", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "support-authority"}}, v1alpha1.ConditionReceiverAvailable),
		Entry("a callback Service", service("support-callback"), v1alpha1.ConditionCallbackReachable),
	)

	It("is exposed by a Service of its own, which goes when it is not wanted any more", func() {
		channel := f.createReady(withService(map[string]string{"lb.example.com/scheme": "public"}))
		callback := &corev1.Service{}
		f.get("support-callback", callback)
		Expect(callback.Spec.Ports).To(ConsistOf(And(HaveField("Port", BeEquivalentTo(443)), HaveField("TargetPort.StrVal", "public"))))
		Expect(callback.Annotations).To(HaveKeyWithValue("lb.example.com/scheme", "public"))
		generation := f.deployment().Generation

		By("removing an annotation that is not declared any more")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Exposure.Service.Annotations = nil })
		Eventually(func() map[string]string {
			f.get("support-callback", callback)
			return callback.Annotations
		}).ShouldNot(HaveKey("lb.example.com/scheme"))
		Expect(f.deployment().Generation).To(Equal(generation))

		By("removing the Service")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Exposure = v1alpha1.Exposure{} })
		Eventually(f.absent("support-callback", &corev1.Service{})).Should(BeTrue())
		Eventually(func() []corev1.Volume { return f.deployment().Spec.Template.Spec.Volumes }).ShouldNot(ContainElement(HaveField("Name", "tls")))
	})

	It("does not take a Service away that is not its own", func() {
		foreign := service("support-callback")
		foreign.Namespace = f.namespace
		Expect(api.Create(f.ctx, foreign)).To(Succeed())
		f.createReady()
		f.get("support-callback", foreign)
	})

	It("refuses annotations that the operator does not allow", func() {
		channel := f.create(withService(map[string]string{"lb.example.com/scheme": "public", "other.example.com/role": "admin"}))
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beFalse(v1alpha1.ReasonAnnotationNotAllowed, `"other.example.com/role"`, "--allowed-annotation-prefixes"))
		Expect(f.absent("support-callback", &corev1.Service{})()).To(BeTrue())
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonAnnotationNotAllowed))
	})

	It("says what its pod waits for", func() {
		channel := f.createReady(withService(nil))
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "support-receiver-x", Namespace: f.namespace, Labels: manifests.PodLabels("support")},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: manifests.ContainerName, Image: receiverImage}}},
		}
		Expect(api.Create(f.ctx, pod)).To(Succeed())
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: manifests.ContainerName, Image: receiverImage,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}},
		}}
		Expect(api.Status().Update(f.ctx, pod)).To(Succeed())
		f.setReplicas(channel, 0)
		Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beFalse(v1alpha1.ReasonMountFailing, `Secret "wa-tls" with the certificate`, "does not exist"))
		Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beFalse(v1alpha1.ReasonMountFailing))
		Expect(f.condition(channel, v1alpha1.ConditionWebhookRegistered)()).To(beTrue(v1alpha1.ReasonRegistered))
	})

	It("keeps running on what it has while a Secret that it needs is missing", func() {
		channel := f.createReady()
		generation := f.deployment().Generation
		secret := &corev1.Secret{}
		f.get(secretName, secret)
		Expect(api.Delete(f.ctx, secret)).To(Succeed())
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beFalse(v1alpha1.ReasonSecretNotFound))
		Expect(f.condition(channel, v1alpha1.ConditionReceiverAvailable)()).To(beTrue(v1alpha1.ReasonAvailable))

		By("not being rolled out to a Secret that is not there")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.AccessTokenSecretRef.Name = "not-there" })
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beFalse(v1alpha1.ReasonSecretNotFound, `"not-there"`))
		Expect(f.deployment().Generation).To(Equal(generation))
	})

	It("makes the tokens once, and uses a verify token of the user's own", func() {
		channel := f.createReady()
		generated, tokens := &corev1.Secret{}, &corev1.Secret{}
		f.get("support-verify-token", generated)
		f.get("support-api", tokens)
		Expect(generated.Data[manifests.VerifyTokenKey]).To(HaveLen(64), "256 bits in hex")
		Expect(tokens.Data["status-token"]).NotTo(Equal(tokens.Data["api-token"]))
		Expect(generated.Labels).To(HaveKeyWithValue(v1alpha1.SecretUseLabel, v1alpha1.SecretUseChannel))

		f.change(channel, func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.VerifyTokenSecretRef = &v1alpha1.SecretKeyReference{Name: secretName, Key: "verify-token"}
		})
		Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beFalse(v1alpha1.ReasonSecretKeyMissing, "spec.callback.verifyTokenSecretRef"))
		f.setSecret(map[string]string{"verify-token": "of-my-own"})
		Eventually(func() *v1alpha1.SecretKeyReference { return f.current(channel).Status.VerifyTokenSecretRef }).Should(HaveField("Name", secretName))
		after := &corev1.Secret{}
		f.get("support-verify-token", after)
		Expect(after.Data).To(Equal(generated.Data))
	})

	Describe("keeping its data", func() {
		volume := func() *corev1.PersistentVolumeClaim {
			GinkgoHelper()
			volume := &corev1.PersistentVolumeClaim{}
			f.get("support-data", volume)
			return volume
		}

		It("outlives the channel, for a channel of the same number", func() {
			channel := f.createReady()
			token := &corev1.Secret{}
			f.get("support-verify-token", token)
			Expect(volume().OwnerReferences).To(BeEmpty())
			Expect(token.OwnerReferences).To(BeEmpty())
			Eventually(func() map[string]string { return volume().Annotations }).Should(And(
				HaveKeyWithValue(manifests.BusinessAccountAnnotation, f.account.ID), HaveKeyWithValue(manifests.PhoneNumberAnnotation, f.number.ID)))
			f.delete(channel)
			f.deleteChildren()

			again := f.createReady()
			Expect(volume().Annotations).To(HaveKeyWithValue(manifests.ChannelUIDAnnotation, string(again.UID)))
			kept := &corev1.Secret{}
			f.get("support-verify-token", kept)
			Expect(kept.UID).To(Equal(token.UID))
			Expect(kept.Data).To(Equal(token.Data), "what was pasted at Meta stays valid")
		})

		It("is not for another number", func() {
			f.delete(f.createReady())
			f.deleteChildren()
			other := f.addNumber("+44 20 7946 0958")
			channel := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = other.DisplayPhoneNumber })
			Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beFalse(v1alpha1.ReasonVerifyTokenOfAnotherNumber, "another phone number"))
			Expect(f.absent("support-receiver", &appsv1.Deployment{})()).To(BeTrue())
			token := &corev1.Secret{}
			f.get("support-verify-token", token)
			Expect(api.Delete(f.ctx, token)).To(Succeed())
			Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beFalse(v1alpha1.ReasonStorageOfAnotherNumber, `"support-data"`))
			Expect(f.absent("support-receiver", &appsv1.Deployment{})()).To(BeTrue())
			Expect(volume().Annotations).To(HaveKeyWithValue(manifests.PhoneNumberAnnotation, f.number.ID))
		})

		It("goes with the channel where that is declared, and the choice can change", func() {
			deleting := func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Storage.WhenDeleted = v1alpha1.WhenDeletedDelete }
			channel := f.createReady(deleting)
			token := &corev1.Secret{}
			owners := func() []metav1.OwnerReference {
				f.get("support-verify-token", token)
				return append(token.OwnerReferences, volume().OwnerReferences...)
			}
			Eventually(owners).Should(HaveLen(2))
			f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Storage.WhenDeleted = v1alpha1.WhenDeletedRetain })
			Eventually(owners).Should(BeEmpty())
			f.change(channel, deleting)
			Eventually(owners).Should(HaveLen(2))
		})
	})
})

var _ = Describe("Deletion", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	It("clears the callback URL at Meta and leaves the account subscribed", func() {
		channel := f.createReady()
		f.delete(channel)
		Expect(f.override()).To(BeEmpty())
		Expect(calls(f.account.ID, "DELETE /{business-account}/subscribed_apps")).To(BeZero())
	})

	It("leaves a callback URL of somebody else alone", func() {
		channel := f.createReady()
		simulator.SetOverride(f.number.ID, f.app.ID, "https://elsewhere.example.com/webhook")
		f.delete(channel)
		Expect(f.override()).To(Equal("https://elsewhere.example.com/webhook"))
	})

	It("does not wait for a Secret that was deleted first, in a namespace that is going", func() {
		channel := f.createReady()
		Expect(api.Delete(f.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}})).To(Succeed())
		Expect(api.DeleteAllOf(f.ctx, &corev1.Secret{}, client.InNamespace(f.namespace))).To(Succeed())
		f.delete(channel)
	})

	It("does not wait where the token is dead", func() {
		channel := f.createReady()
		simulator.RevokeToken(f.token)
		f.delete(channel)
	})

	It("waits for Meta a minute and not longer", func() {
		channel := f.createReady()
		undo := simulator.Fail(failing(f.number.ID))
		defer undo()
		Expect(api.Delete(f.ctx, channel)).To(Succeed())
		Eventually(func() int { return simulator.Count() }).Should(BeNumerically(">", 0))
		Consistently(func() []string { return f.current(channel).Finalizers }, 300*time.Millisecond).Should(ConsistOf(v1alpha1.Finalizer))
		clock.SetTime(f.current(channel).DeletionTimestamp.Add(61 * time.Second))
		// Another change makes the operator look at once; by itself it would within seconds.
		f.poke(channel)
		Eventually(f.gone(channel)).Should(BeTrue())
		f.expectEvent("CallbackURLNotCleared")
	})
})
