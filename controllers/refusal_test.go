package controllers_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
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
		Entry("the verify token", "secrets", "support-verify-token", int32(http.StatusForbidden), v1alpha1.ConditionReceiverAvailable),
		Entry("the private API's tokens", "secrets", "support-api", int32(http.StatusForbidden), v1alpha1.ConditionReceiverAvailable),
		Entry("the private API's authority", "secrets", "support-authority", int32(0), v1alpha1.ConditionReceiverAvailable),
		Entry("what the helpdesk signs with", "secrets", "support-helpdesk", int32(0), v1alpha1.ConditionHelpdeskReady),
	)
})

// deny lets an admission webhook deny that an object of a certain name is made in the namespace, until the returned function is
// called.
func (f *fixture) deny(resource, name string, code int32) (end func()) {
	GinkgoHelper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			http.Error(w, "not a review", http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: review.Request.Name != name}
		if !review.Response.Allowed {
			review.Response.Result = &metav1.Status{Status: metav1.StatusFailure, Code: code, Message: "the label owner is required"}
		}
		review.Request = nil
		_ = json.NewEncoder(w).Encode(review)
	}))
	DeferCleanup(server.Close)
	fail, none := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	hook := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "policy-of-" + f.namespace},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "owner.policy.example.com", FailurePolicy: &fail, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: f.namespace}},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL: &server.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{resource}},
			}},
		}},
	}
	Expect(api.Create(f.ctx, hook)).To(Succeed())
	denied := func() bool {
		var probe client.Object = &corev1.Secret{}
		if resource == "deployments" {
			probe = deployment(name)
		}
		probe.SetName(name)
		probe.SetNamespace(f.namespace)
		err := api.Create(f.ctx, probe, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "the label owner is required")
	}
	Eventually(denied).Should(BeTrue())
	end = func() {
		GinkgoHelper()
		Expect(client.IgnoreNotFound(api.Delete(f.ctx, hook))).To(Succeed())
		Eventually(denied).Should(BeFalse())
	}
	DeferCleanup(end)
	return end
}
