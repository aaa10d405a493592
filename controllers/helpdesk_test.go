package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var _ = Describe("The helpdesk", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	usable := map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel}
	found := func(ready bool, reason, message string) config.Status {
		return config.Status{Helpdesk: &config.HelpdeskStatus{
			Kind: "zammad", URL: "https://zammad.example.com", Group: "2nd Level", Ready: ready, Reason: reason, Message: message,
		}}
	}
	mounted := func() []string {
		var files []string
		for _, volume := range f.deployment().Spec.Template.Spec.Volumes {
			if volume.Projected == nil {
				continue
			}
			for _, source := range volume.Projected.Sources {
				if source.Secret == nil {
					continue
				}
				for _, item := range source.Secret.Items {
					files = append(files, source.Secret.Name+":"+item.Path)
				}
			}
		}
		return files
	}

	It("is the receiver's own inbox where none is declared", func() {
		channel := f.createReady()
		Expect(f.condition(channel, v1alpha1.ConditionHelpdeskReady)()).To(beTrue(v1alpha1.ReasonBuiltIn))
		Expect(mounted()).NotTo(ContainElement(ContainSubstring("helpdesk")))
	})

	It("says what is wrong with the token's Secret, and lets the receiver run meanwhile", func() {
		channel := f.create(zammad(""))
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionHelpdeskReady)).Should(
			beFalse(v1alpha1.ReasonSecretNotFound, `"zammad"`, "spec.helpdesk.zammad.tokenSecretRef"))
		Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beTrue(v1alpha1.ReasonAvailable))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonSecretNotFound))

		By("a Secret that was not meant for channels")
		Expect(api.Create(f.ctx, f.zammadToken(nil))).To(Succeed())
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionHelpdeskReady)).Should(beFalse(v1alpha1.ReasonSecretNotLabelled, "kubectl label secret zammad"))
		Expect(mounted()).NotTo(ContainElement("zammad:" + config.HelpdeskTokenFile))

		By("the label")
		Expect(api.Update(f.ctx, f.zammadToken(usable))).To(Succeed())
		Eventually(mounted).Should(ContainElement("zammad:" + config.HelpdeskTokenFile))
		Eventually(f.condition(channel, v1alpha1.ConditionHelpdeskReady)).Should(beUnknown(v1alpha1.ReasonPending))

		By("the Secret's end, which takes nothing away from the pods that run")
		generation := f.deployment().Generation
		Expect(api.Delete(f.ctx, f.zammadToken(nil))).To(Succeed())
		Eventually(f.condition(channel, v1alpha1.ConditionHelpdeskReady)).Should(beFalse(v1alpha1.ReasonSecretNotFound))
		Expect(f.deployment().Generation).To(Equal(generation))
	})

	It("is as the receiver found it", func() {
		Expect(api.Create(f.ctx, f.zammadToken(usable))).To(Succeed())
		receiver.say(found(false, "GroupNotFound", `There is no group "2nd Level" for this token; it sees "Users".`), nil)
		DeferCleanup(func() { receiver.say(config.Status{}, nil) })
		channel := f.create(zammad(""))
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionHelpdeskReady)).Should(beFalse("GroupNotFound", `it sees "Users"`))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse("GroupNotFound"))

		By("the group")
		receiver.say(found(true, "Ready", "Zammad 7.1 takes tickets in the group 2nd Level."), nil)
		clock.Step(time.Minute)
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionHelpdeskReady)).Should(beTrue("Ready", "Zammad 7.1"))

		By("another helpdesk, of which the receiver has said nothing yet")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Helpdesk.Zammad.URL = "https://another.example.com" })
		Eventually(f.condition(channel, v1alpha1.ConditionHelpdeskReady)).Should(beUnknown(v1alpha1.ReasonPending))
	})

	It("signs its calls only where it makes some", func() {
		Expect(api.Create(f.ctx, f.zammadToken(usable))).To(Succeed())
		channel := f.create(zammad(v1alpha1.HelpdeskEventsPoll))
		f.runReceiver(channel)
		Eventually(mounted).Should(ContainElement("zammad:" + config.HelpdeskTokenFile))
		Expect(f.absent("support-helpdesk", &corev1.Secret{})()).To(BeTrue())

		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Helpdesk.Zammad.Events = v1alpha1.HelpdeskEventsPublic })
		Eventually(mounted).Should(ContainElement("support-helpdesk:" + config.HelpdeskSecretFile))
		signing := &corev1.Secret{}
		f.get("support-helpdesk", signing)
		Expect(signing.Data[config.HelpdeskSecretFile]).To(HaveLen(64))
		f.poke(channel)
		again := &corev1.Secret{}
		f.get("support-helpdesk", again)
		Expect(again.Data).To(Equal(signing.Data))
	})
})

// zammad makes a channel one whose tickets are in Zammad.
func zammad(events v1alpha1.HelpdeskEvents) func(*v1alpha1.WhatsAppChannel) {
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Helpdesk.Zammad = &v1alpha1.ZammadHelpdesk{
			URL: "https://zammad.example.com", Events: events,
			TokenSecretRef: v1alpha1.SecretKeyReference{Name: "zammad", Key: "token"},
		}
	}
}

// zammadToken is the Secret with the token of that.
func (f *fixture) zammadToken(labels map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "zammad", Namespace: f.namespace, Labels: labels},
		Data:       map[string][]byte{"token": []byte("the-token")},
	}
}
