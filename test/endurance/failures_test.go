//go:build reliability

package endurance

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage/stagetest"
)

const (
	// kills is how often the receiver is killed.
	kills = 20
	// between is how many messages there are at least between two kills while a receiver runs.
	between = 15
	// most bounds the messages of one spec.
	most = 5000
	// gone is how long there is no operator.
	gone = 5 * time.Minute
)

var _ = Describe("A channel on a volume", Ordered, ContinueOnFailure, func() {
	var orders *line

	BeforeAll(func(ctx SpecContext) {
		size := resource.MustParse("256Mi")
		orders = open(ctx, client.ObjectKey{Namespace: namespace, Name: "orders"}, 0, v1alpha1.Storage{
			SQLite: &v1alpha1.SQLiteStorage{Size: &size}, WhenDeleted: v1alpha1.WhenDeletedDelete,
		})
	}, NodeTimeout(4*time.Minute))

	It("takes every message once although its receiver is killed twenty times", func(ctx SpecContext) {
		t := &traffic{line: orders, prefix: "killed", area: 201}
		began := time.Now()
		t.during(ctx, func() {
			for range kills {
				t.await(ctx, between)
				Expect(t.count()).To(BeNumerically("<", most))
				before := orders.pod(ctx)
				kill(ctx, namespace, before.Name)
				Eventually(orders.taken).WithContext(ctx).WithArguments(before).Should(BeTrue(), "another receiver takes over")
			}
		})
		t.arrives(ctx)
		orders.expectReady(ctx)
		t.report("%d kills in %v", kills, time.Since(began).Round(time.Second))
	}, SpecTimeout(20*time.Minute))

	It("goes on in the same pod when containerd is restarted", func(ctx SpecContext) {
		t := &traffic{line: orders, prefix: "runtime", area: 202}
		before := orders.pod(ctx)
		t.during(ctx, func() {
			t.await(ctx, between)
			out, err := exec.CommandContext(ctx, filepath.Join(stagetest.Repository, "hack", "cluster"), "restart", "containerd").CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			t.await(ctx, between)
		})
		t.arrives(ctx)
		orders.expectReady(ctx)
		stagetest.ExpectSamePod(orders.pod(ctx), before)
		t.report("containerd restarted, %d messages not handed to Meta because the way there was interrupted", len(t.unsure))
	}, SpecTimeout(12*time.Minute))

	It("needs no operator for five minutes, not even for a new pod", func(ctx SpecContext) {
		t := &traffic{line: orders, prefix: "alone", area: 203}
		kubectl(ctx, "scale", "deployment/whatsapp-operator", "--namespace", stage.OperatorNamespace, "--replicas=0")
		kubectl(ctx, "wait", "--for=delete", "pods", "--all", "--namespace", stage.OperatorNamespace, "--timeout=2m")
		before := orders.pod(ctx)
		const changed = "Thanks for writing. We are back at nine."
		var after corev1.Pod
		t.during(ctx, func() {
			over := time.NewTimer(gone)
			defer over.Stop()
			t.await(ctx, between)
			kill(ctx, namespace, before.Name)
			Eventually(orders.taken).WithContext(ctx).WithArguments(before).Should(BeTrue(), "the Deployment makes another receiver")
			after = orders.pod(ctx)
			kubectl(ctx, "patch", "wac", orders.key.Name, "--namespace", namespace, "--type=merge",
				"--patch", fmt.Sprintf(`{"spec":{"messages":{"welcome":{"text":%q}}}}`, changed))
			Expect(orders.ready(ctx)).To(HaveField("Status", metav1.ConditionUnknown), "status says nothing of the new spec yet")
			select {
			case <-over.C:
			case <-ctx.Done():
			}
			kubectl(ctx, "scale", "deployment/whatsapp-operator", "--namespace", stage.OperatorNamespace, "--replicas=1")
			orders.expectReady(ctx)
		})
		t.arrives(ctx)
		stagetest.ExpectSamePod(orders.pod(ctx), after)
		// The files of a mounted ConfigMap follow within seconds or within two minutes, as the kubelet is set.
		expectWelcome(ctx, orders, changed)
		t.report("no operator for %v, the receiver killed once", gone)
	}, SpecTimeout(20*time.Minute))
})

var _ = Describe("A channel whose volume is full", Ordered, func() {
	It("says so, acknowledges nothing that it cannot keep, and goes on when there is room", func(ctx SpecContext) {
		smallVolume(ctx, "small-data")
		size := resource.MustParse("64Mi")
		small := open(ctx, client.ObjectKey{Namespace: machineNamespace, Name: "small"}, 1, v1alpha1.Storage{
			SQLite: &v1alpha1.SQLiteStorage{Size: &size, StorageClassName: "small"}, WhenDeleted: v1alpha1.WhenDeletedDelete,
		})
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "delete", "wac", small.key.Name, "--namespace", machineNamespace, "--timeout=2m")
			kubectl(ctx, "wait", "--for=delete", "pods", "--selector=app.kubernetes.io/instance="+small.key.Name,
				"--namespace", machineNamespace, "--timeout=2m")
		})
		t := &traffic{line: small, prefix: "full", area: 204}
		var said metav1.Condition
		t.during(ctx, func() {
			t.await(ctx, between)
			// A tenth of the volume is when webhooks are turned away, about 5,000 blocks; the receiver itself may free a few.
			const fill = "! dd if=/dev/zero of=/data/filler bs=4k && test $(stat --file-system --format=%a /data) -lt 2000"
			Expect(onVolume(ctx, "filler", "small-data", fill)).To(Equal(corev1.PodSucceeded), "the volume is full")
			Eventually(func(g Gomega) {
				_, err := cluster.Ask(ctx, small.key, v1alpha1.RequestedAtAnnotation)
				g.Expect(err).NotTo(HaveOccurred())
				condition, err := small.ready(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(condition.Status).To(Equal(metav1.ConditionFalse))
				g.Expect(condition.Reason).To(BeElementOf(v1alpha1.ReasonVolumeFull, v1alpha1.ReasonTurningAway), condition.Message)
				said = condition
			}).WithContext(ctx).Should(Succeed())
			t.await(ctx, between)
			Expect(onVolume(ctx, "remover", "small-data", "rm /data/filler")).To(Equal(corev1.PodSucceeded))
			t.await(ctx, between)
		})
		t.arrives(ctx)
		small.expectReady(ctx)
		t.report("volume of %s full; Ready said %s: %s", volumeSize, said.Reason, said.Message)
	}, SpecTimeout(20*time.Minute))
})

var _ = Describe("A channel on PostgreSQL", Ordered, func() {
	It("loses nothing when the server crashes or is away, says that it is, and goes on when it is back", func(ctx SpecContext) {
		const password = "endurance-7c1f0a2b"
		apply(ctx, postgresManifests, "NAMESPACE", machineNamespace, "PASSWORD", password)
		kubectl(ctx, "rollout", "status", "statefulset/postgres", "--namespace", machineNamespace, "--timeout=2m")
		dsn := fmt.Sprintf("postgres://whatsapp:%s@postgres.%s.svc.cluster.local:5432/postgres?sslmode=disable", password, machineNamespace)
		Expect(cluster.ChannelSecret(ctx, namespace, "database", map[string]string{"uri": dsn})).To(Succeed())
		shared := open(ctx, client.ObjectKey{Namespace: namespace, Name: "shared"}, 2, v1alpha1.Storage{
			Postgres: &v1alpha1.PostgresStorage{DSNSecretRef: v1alpha1.SecretKeyReference{Name: "database", Key: "uri"}},
		})
		t := &traffic{line: shared, prefix: "database", area: 205}
		before := shared.pod(ctx)
		var said metav1.Condition
		t.during(ctx, func() {
			t.await(ctx, between)
			By("crashing the server")
			kill(ctx, machineNamespace, "postgres-0")
			t.await(ctx, between)
			kubectl(ctx, "rollout", "status", "statefulset/postgres", "--namespace", machineNamespace, "--timeout=2m")
			t.await(ctx, between)
			By("taking the server away")
			kubectl(ctx, "scale", "statefulset/postgres", "--namespace", machineNamespace, "--replicas=0")
			Eventually(func(g Gomega) {
				condition, err := shared.ready(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(condition.Status).To(Equal(metav1.ConditionFalse))
				said = condition
			}).WithContext(ctx).Should(Succeed())
			kubectl(ctx, "scale", "statefulset/postgres", "--namespace", machineNamespace, "--replicas=1")
			kubectl(ctx, "rollout", "status", "statefulset/postgres", "--namespace", machineNamespace, "--timeout=2m")
			t.await(ctx, between)
		})
		t.arrives(ctx)
		shared.expectReady(ctx)
		stagetest.ExpectSamePod(shared.pod(ctx), before)
		t.report("PostgreSQL killed once and taken away once; Ready said %s: %s", said.Reason, said.Message)
	}, SpecTimeout(20*time.Minute))
})

// expectWelcome waits until new customers of a channel are welcomed with a text.
func expectWelcome(ctx context.Context, l *line, text string) {
	GinkgoHelper()
	n := 0
	Eventually(func(g Gomega) {
		n++
		phone := fmt.Sprintf("+1 206-555-%04d", n)
		g.Expect(meta.CustomerWrites(ctx, phone, "Emma Musterfrau", l.number.ID, "Are you there?")).To(Succeed())
		g.Eventually(func() (int, error) {
			received, err := meta.Received(ctx, phone)
			return len(received), err
		}).WithContext(ctx).Should(Equal(1))
		received, err := meta.Received(ctx, phone)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(received[0].Text).To(Equal(text))
	}).WithContext(ctx).WithPolling(5 * time.Second).Should(Succeed())
}
