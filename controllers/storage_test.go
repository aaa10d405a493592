package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

func onPostgres(replicas int32) func(*v1alpha1.WhatsAppChannel) {
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Receiver.Replicas = &replicas
		c.Spec.Receiver.Storage.SQLite = nil
		c.Spec.Receiver.Storage.Postgres = &v1alpha1.PostgresStorage{DSNSecretRef: secretKey(secretName, "uri"), Schema: "support"}
	}
}

var _ = Describe("Storage in PostgreSQL", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	It("waits for its connection string, and runs as many receivers as declared without a volume", func() {
		channel := f.create(onPostgres(2))
		Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(
			beFalse(v1alpha1.ReasonSecretKeyMissing, "spec.receiver.storage.postgres.dsnSecretRef"))
		Expect(f.absent("support-receiver", &appsv1.Deployment{})()).To(BeTrue())

		f.setSecret(map[string]string{"uri": "postgres://database.example.com/support"})
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.deployment().Spec.Replicas).To(HaveValue(BeEquivalentTo(2)))
		Expect(f.deployment().Spec.Template.Spec.Containers[0].Args).To(ContainElement("--postgres-schema=support"))
		Expect(f.absent("support-data", &corev1.PersistentVolumeClaim{})()).To(BeTrue())
		budget := &policyv1.PodDisruptionBudget{}
		f.get("support-receiver", budget)
		Expect(budget.Spec.MaxUnavailable.IntValue()).To(Equal(1))

		By("needing no budget for one receiver")
		f.change(channel, onPostgres(1))
		Eventually(f.absent("support-receiver", &policyv1.PodDisruptionBudget{})).Should(BeTrue())
		Eventually(func() *int32 { return f.deployment().Spec.Replicas }).Should(HaveValue(BeEquivalentTo(1)))
	})

	It("leaves the number of receivers to an autoscaler where none is declared", func() {
		f.setSecret(map[string]string{"uri": "postgres://database.example.com/support"})
		channel := f.createReady(onPostgres(1), func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Replicas = nil })
		deployment := f.deployment()
		replicas := int32(4)
		deployment.Spec.Replicas = &replicas
		Expect(api.Update(f.ctx, deployment)).To(Succeed())
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.TargetGroup = "1st Level" })
		f.request(channel)
		Expect(f.deployment().Spec.Replicas).To(HaveValue(BeEquivalentTo(4)))
	})

	It("is not changed to while the data is elsewhere", func() {
		f.setSecret(map[string]string{"uri": "postgres://database.example.com/support"})
		channel := f.createReady()
		generation := f.deployment().Generation
		f.change(channel, onPostgres(2))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonMigrationNeeded, "receiver migrate", `"support-receiver"`))
		Expect(f.condition(channel, v1alpha1.ConditionStalled)()).To(beTrue(v1alpha1.ReasonMigrationNeeded))
		Expect(f.deployment().Generation).To(Equal(generation), "the receiver goes on where its data is")

		By("until a person says that the data was copied")
		Expect(api.Delete(f.ctx, f.deployment())).To(Succeed())
		Eventually(func() []string {
			if f.absent("support-receiver", &appsv1.Deployment{})() {
				return nil
			}
			return f.deployment().Spec.Template.Spec.Containers[0].Args
		}).Should(ContainElement("--postgres-schema=support"))
		f.get("support-data", &corev1.PersistentVolumeClaim{})
	})

	It("tells whether it keeps what it acknowledged", func() {
		durable := false
		receiver.say(config.Status{Durable: &durable, DurableReason: "PostgreSQL runs with fsync off."}, nil)
		channel := f.create()
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionDurable)).Should(beFalse(v1alpha1.ReasonNotDurable, "fsync off"))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonNotDurable, "fsync off"))
	})
})
