package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

var _ = Describe("A volume that has to be enlarged", func() {
	var (
		f       *fixture
		class   *storagev1.StorageClass
		channel *v1alpha1.WhatsAppChannel
	)
	BeforeEach(func() {
		f = newFixture()
		class = &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "class-of-" + f.namespace}, Provisioner: "example.com/disks"}
		Expect(api.Create(f.ctx, class)).To(Succeed())
		DeferCleanup(func() { Expect(api.Delete(f.ctx, class)).To(Succeed()) })
		channel = f.createReady(func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Receiver.Storage.SQLite = &v1alpha1.SQLiteStorage{Size: new(resource.MustParse("1Gi")), StorageClassName: class.Name}
		})
		// What the cluster's controllers would do as soon as a pod uses the claim.
		claim := &corev1.PersistentVolumeClaim{}
		f.get("support-data", claim)
		claim.Status.Phase = corev1.ClaimBound
		Expect(api.Status().Update(f.ctx, claim)).To(Succeed())
	})

	size := func() string {
		GinkgoHelper()
		claim := &corev1.PersistentVolumeClaim{}
		f.get("support-data", claim)
		return claim.Spec.Resources.Requests.Storage().String()
	}
	declare := func(size string, change ...func(*v1alpha1.WhatsAppChannel)) {
		GinkgoHelper()
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Receiver.Storage.SQLite.Size = new(resource.MustParse(size))
			for _, change := range change {
				change(c)
			}
		})
	}
	condition := func(conditionType string) func() metav1.Condition { return f.condition(channel, conditionType) }
	// outwait lets the time pass in which what is forbidden is tried again at once.
	outwait := func(conditionType string) AsyncAssertion {
		return Eventually(func() metav1.Condition {
			GinkgoHelper()
			clock.Step(5 * time.Second)
			f.poke(channel)
			return condition(conditionType)()
		}).WithPolling(200 * time.Millisecond)
	}
	beNotEnlarged := []string{"could not be enlarged from 1Gi to 2Gi", "must support resize", "back to 1Gi"}

	It("holds nothing else back where that is refused, and the size can be taken back", func() {
		declare("2Gi", func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Receiver.Pod = &v1alpha1.ReceiverPod{Labels: map[string]string{"team": "support"}}
		})
		Eventually(func() *appsv1.Deployment { return f.deployment() }).Should(
			HaveField("Spec.Template.Labels", HaveKeyWithValue("team", "support")), "the rest of the spec is acted on")
		f.runReceiver(channel)
		outwait(v1alpha1.ConditionReady).Should(beFalse(v1alpha1.ReasonVolumeNotEnlarged, beNotEnlarged...))
		Expect(condition(v1alpha1.ConditionReceiverAvailable)()).To(beTrue(v1alpha1.ReasonVolumeNotEnlarged, beNotEnlarged...))
		Expect(condition(v1alpha1.ConditionStalled)()).To(beTrue(v1alpha1.ReasonVolumeNotEnlarged))
		f.expectEvent(v1alpha1.ReasonVolumeNotEnlarged)

		By("taking up another change as well, without a word that comes and goes")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Pod.Labels["team"] = "sales" })
		Eventually(func() *appsv1.Deployment { return f.deployment() }).Should(
			HaveField("Spec.Template.Labels", HaveKeyWithValue("team", "sales")))
		f.runReceiver(channel)
		Eventually(condition(v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonVolumeNotEnlarged))
		told := f.current(channel).Status
		operator.stop()
		operator = startOperator()
		Consistently(func() v1alpha1.WhatsAppChannelStatus { return f.current(channel).Status }, time.Second).Should(Equal(told), "after a restart")

		By("being told of beside what is wrong with the receiver")
		f.setReplicas(channel, 0)
		Eventually(condition(v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonStarting, beNotEnlarged...))
		f.runReceiver(channel)

		declare("1Gi")
		Eventually(condition(v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(condition(v1alpha1.ConditionReceiverAvailable)()).To(beTrue(v1alpha1.ReasonAvailable))
	})

	It("grows as soon as its class allows that, and never shrinks", func() {
		declare("2Gi")
		outwait(v1alpha1.ConditionReady).Should(beFalse(v1alpha1.ReasonVolumeNotEnlarged, beNotEnlarged...))
		Expect(size()).To(Equal("1Gi"))

		Expect(api.Patch(f.ctx, class, client.RawPatch("application/merge-patch+json", []byte(`{"allowVolumeExpansion": true}`)))).To(Succeed())
		Eventually(func() string {
			f.poke(channel)
			return size()
		}).WithPolling(200 * time.Millisecond).Should(Equal("2Gi"))
		Eventually(condition(v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))

		declare("1536Mi")
		Eventually(condition(v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(size()).To(Equal("2Gi"))
	})
})
