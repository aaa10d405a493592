package controllers_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

var _ = Describe("A policy that denies an object of the channel", func() {
	DescribeTable("is quoted where a person looks, and the channel goes on when it is gone",
		func(resource, name string, code int32, conditionType string) {
			f := newFixture()
			end := f.deny(resource, name, code)
			Expect(api.Create(f.ctx, f.zammadToken(map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel}))).To(Succeed())
			channel := f.create(zammad(v1alpha1.HelpdeskEventsInternal))
			told := func() metav1.Condition {
				clock.Step(5 * time.Second)
				f.poke(channel)
				return f.condition(channel, conditionType)()
			}
			Eventually(told).WithPolling(200 * time.Millisecond).Should(beFalse(v1alpha1.ReasonRefused, name, "the label owner is required"))
			Expect(kstatusOutdated(f.current(channel))).To(BeFalse(), "the refusal is what there is to say of this spec")

			end()
			f.poke(channel)
			f.runReceiver(channel)
			Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beTrue(v1alpha1.ReasonAvailable))
			Expect(f.condition(channel, v1alpha1.ConditionHelpdeskReady)()).To(beUnknown(v1alpha1.ReasonPending))
		},
		Entry("the Deployment, with 403", "deployments", "support-receiver", int32(http.StatusForbidden), v1alpha1.ConditionReceiverAvailable),
		Entry("the Deployment, without a code", "deployments", "support-receiver", int32(0), v1alpha1.ConditionReceiverAvailable),
		Entry("the Deployment, with a code that says otherwise", "deployments", "support-receiver", int32(http.StatusInternalServerError), v1alpha1.ConditionReceiverAvailable),
		Entry("the Deployment, with that of writes that cross", "deployments", "support-receiver", int32(http.StatusConflict), v1alpha1.ConditionReceiverAvailable),
		Entry("the verify token", "secrets", "support-verify-token", int32(http.StatusForbidden), v1alpha1.ConditionReceiverAvailable),
		Entry("the private API's tokens", "secrets", "support-api", int32(http.StatusForbidden), v1alpha1.ConditionReceiverAvailable),
		Entry("the private API's authority", "secrets", "support-authority", int32(0), v1alpha1.ConditionReceiverAvailable),
		Entry("what the helpdesk signs with", "secrets", "support-helpdesk", int32(0), v1alpha1.ConditionHelpdeskReady),
	)
})

var _ = Describe("An admission webhook that does not work", func() {
	DescribeTable("is told of where a person looks as soon as that lasts, and the channel goes on when it works again",
		func(resource, name, conditionType string, change func(*v1alpha1.WhatsAppChannel)) {
			f := newFixture()
			hook := f.breakWebhook(resource, name)
			channel := f.create(change)
			if conditionType != v1alpha1.ConditionReceiverAvailable {
				f.runReceiver(channel)
			}
			told := func(conditionType string) AsyncAssertion {
				return Eventually(func() metav1.Condition {
					GinkgoHelper()
					clock.Step(15 * time.Second)
					f.poke(channel)
					return f.condition(channel, conditionType)()
				}).WithPolling(200 * time.Millisecond)
			}
			told(conditionType).Should(beFalse(v1alpha1.ReasonAPIServerFailing, name, `admission webhook "owner.policy.example.com"`))
			Expect(f.condition(channel, conditionType)().Message).NotTo(ContainSubstring("127.0.0.1"),
				"where the webhook runs is no business of the channel's namespace")
			told(v1alpha1.ConditionReady).Should(beFalse(v1alpha1.ReasonAPIServerFailing, name))

			hook.end()
			f.poke(channel)
			f.runReceiver(channel)
			Eventually(f.condition(channel, conditionType)).ShouldNot(HaveField("Reason", v1alpha1.ReasonAPIServerFailing))
			Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beTrue(v1alpha1.ReasonAvailable))
		},
		Entry("for the Deployment", "deployments", "support-receiver", v1alpha1.ConditionReceiverAvailable, manual),
		Entry("for what the helpdesk signs with", "secrets", "support-helpdesk", v1alpha1.ConditionHelpdeskReady, zammad(v1alpha1.HelpdeskEventsInternal)),
		Entry("for the way in", "services", "support-callback", v1alpha1.ConditionCallbackReachable, func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.Exposure.Service = &v1alpha1.ServiceExposure{Type: corev1.ServiceTypeClusterIP, TLSSecretName: "certificate"}
		}),
	)

	It("is not spoken of while it may pass, and then without a word that comes and goes", func() {
		f := newFixture()
		channel := f.createReady()
		hook := f.breakWebhook("configmaps", "support-receiver")
		before := f.current(channel).Status
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Messages.Welcome = text("Thanks for writing.") })
		Eventually(hook.calls.Load).Should(BeNumerically(">=", 3), "it is tried again")
		clock.Step(50 * time.Second)
		f.poke(channel)
		tried := hook.calls.Load()
		Eventually(hook.calls.Load).Should(BeNumerically(">=", tried+2))
		during := f.current(channel)
		Expect(during.Status.Conditions).To(Equal(before.Conditions))
		Expect(kstatusOutdated(during)).To(BeTrue(), "the new spec was not acted on yet")

		clock.Step(11 * time.Second)
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beFalse(v1alpha1.ReasonAPIServerFailing, "ConfigMap/support-receiver"))
		Expect(f.condition(channel, v1alpha1.ConditionReconciling)()).To(beTrue(v1alpha1.ReasonAPIServerFailing))
		Expect(f.deployment().Status.AvailableReplicas).To(BeEquivalentTo(1), "the receiver goes on")
		told := f.current(channel).Status
		operator.stop()
		operator = startOperator()
		tried = hook.calls.Load()
		f.poke(channel)
		Eventually(hook.calls.Load).Should(BeNumerically(">", tried))
		Consistently(func() v1alpha1.WhatsAppChannelStatus { return f.current(channel).Status }, time.Second).Should(Equal(told), "after a restart")

		hook.end()
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	})
})

// admissionHook is an admission webhook of a fixture's namespace.
type admissionHook struct {
	// end takes it away.
	end func()
	// calls is how often it was asked about the object that it is for.
	calls atomic.Int64
}

// deny lets an admission webhook deny that an object of a certain name is written in the namespace, until the returned function is
// called.
func (f *fixture) deny(resource, name string, code int32) (end func()) {
	GinkgoHelper()
	const reason = "the label owner is required"
	return f.hook(resource, name, reason, func(w http.ResponseWriter, review *admissionv1.AdmissionReview) {
		review.Response.Allowed = false
		review.Response.Result = &metav1.Status{Status: metav1.StatusFailure, Code: code, Message: reason}
		_ = json.NewEncoder(w).Encode(review)
	}).end
}

// breakWebhook lets an admission webhook fail whenever an object of a certain name is written in the namespace.
func (f *fixture) breakWebhook(resource, name string) *admissionHook {
	GinkgoHelper()
	return f.hook(resource, name, "failed calling webhook", func(w http.ResponseWriter, _ *admissionv1.AdmissionReview) {
		http.Error(w, "out of order", http.StatusInternalServerError)
	})
}

// hook lets an admission webhook answer about an object of a certain name in the namespace; a write then fails with an error that
// holds the given text. All else is admitted.
func (f *fixture) hook(resource, name, failure string, answer func(http.ResponseWriter, *admissionv1.AdmissionReview)) *admissionHook {
	GinkgoHelper()
	hook := &admissionHook{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			http.Error(w, "not a review", http.StatusBadRequest)
			return
		}
		asked := review.Request.Name
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		review.Request = nil
		if asked != name {
			_ = json.NewEncoder(w).Encode(review)
			return
		}
		hook.calls.Add(1)
		answer(w, review)
	}))
	DeferCleanup(server.Close)
	fail, none := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "policy-of-" + f.namespace},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "owner.policy.example.com", FailurePolicy: &fail, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: f.namespace}},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL: &server.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{resource}},
			}},
		}},
	}
	Expect(api.Create(f.ctx, configuration)).To(Succeed())
	fails := func() bool {
		probe := map[string]client.Object{
			"configmaps": &corev1.ConfigMap{}, "deployments": deployment(name), "secrets": &corev1.Secret{}, "services": service(name),
		}[resource]
		probe.SetName(name)
		probe.SetNamespace(f.namespace)
		err := api.Create(f.ctx, probe, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), failure)
	}
	Eventually(fails).Should(BeTrue())
	hook.end = func() {
		GinkgoHelper()
		Expect(client.IgnoreNotFound(api.Delete(f.ctx, configuration))).To(Succeed())
		Eventually(fails).Should(BeFalse())
	}
	DeferCleanup(hook.end)
	return hook
}
