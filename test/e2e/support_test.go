//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage/stagetest"
)

var _ = Describe("A channel that registers itself", Ordered, ContinueOnFailure, func() {
	var support *line

	BeforeAll(func(ctx SpecContext) {
		support = prepare(ctx, "support")
		support.apply(ctx)
	}, NodeTimeout(time.Minute))

	It("becomes Ready, and Meta calls its URL", func(ctx SpecContext) {
		support.expectReady(ctx)
		const url = "https://support-callback.helpdesk.svc.cluster.local/helpdesk/support"
		Expect(support.channel(ctx).Status.CallbackURL).To(Equal(url))
		Expect(support.override(ctx)).To(Equal(url))
	}, SpecTimeout(4*time.Minute))

	It("turns a customer's message into a ticket and welcomes the customer", func(ctx SpecContext) {
		support.customerWrites(ctx, erika, "My marmalade jar does not open.")
		ticket := support.ticket(ctx, "My marmalade jar does not open.")
		Expect(ticket.Group).To(Equal("2nd Level"))
		Expect(ticket.State).To(Equal("open"))
		Expect(ticket.Customer.Name).To(Equal(erika.name))
		Expect(ticket.Customer.Phone).To(Equal(digits(erika.phone)))
		expectReceived(ctx, erika, welcome)
	}, SpecTimeout(3*time.Minute))

	It("carries the agent's reply to the customer once, and shows that it was delivered", func(ctx SpecContext) {
		ticket := support.ticket(ctx, "My marmalade jar does not open.")
		const reply = "Please hold the marmalade jar under warm water."
		Expect(support.inbox.Reply(ctx, ticket.ID, "reply-1", reply)).To(Succeed())
		Expect(support.inbox.Reply(ctx, ticket.ID, "reply-1", reply)).To(Succeed())
		Eventually(func(g Gomega) {
			tickets, err := support.inbox.Tickets(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(tickets).To(HaveLen(1))
			g.Expect(tickets[0].Article("agent", reply).Delivered()).To(Equal("delivered"))
		}).WithContext(ctx).Should(Succeed())
		expectReceived(ctx, erika, welcome, reply)
	}, SpecTimeout(3*time.Minute))

	It("puts a further message on the open ticket, without another welcome", func(ctx SpecContext) {
		support.customerWrites(ctx, erika, "The marmalade is out, thank you!")
		ticket := support.ticket(ctx, "The marmalade is out, thank you!")
		Expect(ticket.Article("customer", "My marmalade jar does not open.")).NotTo(BeNil())
		expectReceived(ctx, erika, welcome, "Please hold the marmalade jar under warm water.")
	}, SpecTimeout(3*time.Minute))

	It("shows in kubectl get what an admin wants to know", func(ctx SpecContext) {
		narrow := kubectl(ctx, "get", "wac", "--namespace", "helpdesk")
		AddReportEntry("kubectl get wac", narrow)
		header, row := table(narrow)
		Expect(header).To(Equal([]string{"NAME", "READY", "PHONE", "GROUP", "CALLBACK URL", "AGE"}))
		Expect(row[:5]).To(Equal([]string{"support", "True", "+1 631-555-1111", "2nd Level",
			"https://support-callback.helpdesk.svc.cluster.local/helpdesk/support"}))

		wide := kubectl(ctx, "get", "wac", "--namespace", "helpdesk", "-o", "wide")
		AddReportEntry("kubectl get wac -o wide", wide)
		header, row = table(wide)
		Expect(header[6:]).To(Equal([]string{"REASON", "NAME", "QUALITY", "LAST MESSAGE", "BACKLOG"}))
		Expect(row[6:9]).To(Equal([]string{"Ready", "Support", "GREEN"}))

		Expect(kubectl(ctx, "get", "whatsapp", "--namespace", "helpdesk", "-o", "name")).
			To(Equal("whatsappchannel.whatsapp-operator.io/support\n"), "the category whatsapp")
		Expect(kubectl(ctx, "get", "wac", "--all-namespaces", "-o", "name", "--field-selector", "status.phoneNumber.id="+support.phoneNumberID)).
			To(Equal("whatsappchannel.whatsapp-operator.io/support\n"), "selectable fields")
		Expect(kubectl(ctx, "explain", "wac.spec.callback.registration")).To(SatisfyAll(
			ContainSubstring("Automatic"), ContainSubstring("who tells Meta the callback URL")))
	}, SpecTimeout(time.Minute))

	It("does not change when it is applied again", func(ctx SpecContext) {
		generation := support.channel(ctx).Generation
		before := versions(ctx, "helpdesk")
		Expect(before).NotTo(BeEmpty())
		Expect(support.apply(ctx)).To(ContainSubstring("support unchanged"))
		Expect(kubectl(ctx, "diff", "-f", support.file)).To(BeEmpty())
		// A whole round of reconciling must not touch anything either.
		support.request(ctx)
		Expect(versions(ctx, "helpdesk")).To(Equal(before))
		Expect(support.channel(ctx).Generation).To(Equal(generation))
		support.expectReady(ctx)
	}, SpecTimeout(2*time.Minute))

	It("repairs what somebody else changes", func(ctx SpecContext) {
		kubectl(ctx, "delete", "--namespace", "helpdesk", "service", "support-callback")
		Eventually(func() error {
			return cluster.Get(ctx, client.ObjectKey{Namespace: "helpdesk", Name: "support-callback"}, &corev1.Service{})
		}).WithContext(ctx).Should(Succeed())
		support.expectReady(ctx)
	}, SpecTimeout(2*time.Minute))

	It("has another verify token made on request, and accepts the one before until Meta has asked for the new one", func(ctx SpecContext) {
		pod, url := support.pod(ctx), support.channel(ctx).Status.CallbackURL
		verifyToken := func() (string, error) {
			return cluster.SecretValue(ctx, "helpdesk", "support-verify-token", "verify-token")
		}
		before, err := verifyToken()
		Expect(err).NotTo(HaveOccurred())
		// Meta cannot be told for now.
		Expect(meta.Fail(ctx, stage.Failure{HTTPStatus: http.StatusServiceUnavailable})).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(meta.Heal(ctx)).To(Succeed()) })
		request, err := cluster.Ask(ctx, support.key, v1alpha1.RotateVerifyTokenAtAnnotation)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() string { return support.channel(ctx).Status.LastHandledRotation }).WithContext(ctx).Should(Equal(request))
		after, err := verifyToken()
		Expect(err).NotTo(HaveOccurred())
		Expect(after).NotTo(Equal(before))
		Eventually(handshake).WithContext(ctx).WithArguments(url, after).Should(Equal(http.StatusOK))
		Expect(handshake(ctx, url, before)).To(Equal(http.StatusOK))

		Expect(meta.Heal(ctx)).To(Succeed())
		support.requestOnly(ctx)
		Eventually(func() (string, error) {
			return cluster.SecretValue(ctx, "helpdesk", "support-api", "verify-token.previous")
		}).WithContext(ctx).Should(Equal(after), "Meta has asked for the new one")
		stagetest.ExpectSamePod(support.pod(ctx), pod)
		support.expectReady(ctx)
	}, SpecTimeout(3*time.Minute))

	It("runs under the Pod Security level restricted, without a token of the API server", func(ctx SpecContext) {
		for _, namespace := range []string{"helpdesk", stage.OperatorNamespace, stage.MetaNamespace} {
			expectRestricted(ctx, namespace)
		}
		expectNoAPIToken(support.pod(ctx))
	}, SpecTimeout(time.Minute))
})

// table splits kubectl's table of one row into its cells, which two spaces or more keep apart.
func table(text string) (header, row []string) {
	GinkgoHelper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	Expect(lines).To(HaveLen(2), text)
	cells := func(line string) []string {
		var found []string
		for cell := range strings.SplitSeq(line, "  ") {
			if cell = strings.TrimSpace(cell); cell != "" {
				found = append(found, cell)
			}
		}
		return found
	}
	return cells(lines[0]), cells(lines[1])
}

// versions are the resource versions of all that the operator made in a namespace.
func versions(ctx context.Context, namespace string) map[string]string {
	GinkgoHelper()
	out := kubectl(ctx, "get", "deployments,services,configmaps,serviceaccounts,persistentvolumeclaims,secrets,pods",
		"--namespace", namespace, "--selector", "app.kubernetes.io/managed-by=whatsapp-operator",
		"-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion}{"\n"}{end}`)
	found := map[string]string{}
	for line := range strings.Lines(out) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), "=")
		found[name] = version
	}
	return found
}

// expectRestricted says that the namespace refuses pods below the level restricted, and that its own pods run.
func expectRestricted(ctx context.Context, namespace string) {
	GinkgoHelper()
	lax := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "lax"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "lax", Image: "lax"}}},
	}
	Expect(cluster.Create(ctx, lax, client.DryRunAll)).To(MatchError(ContainSubstring(`violates PodSecurity "restricted:latest"`)))
	var pods corev1.PodList
	Expect(cluster.List(ctx, &pods, client.InNamespace(namespace))).To(Succeed())
	Expect(pods.Items).NotTo(BeEmpty())
	for _, pod := range pods.Items {
		Expect(stage.PodReady(pod)).To(BeTrue(), "pod %s", pod.Name)
	}
}

// expectNoAPIToken says that nothing in the pod can speak to the API server.
func expectNoAPIToken(pod corev1.Pod) {
	GinkgoHelper()
	Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
	for _, volume := range pod.Spec.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			Expect(source.ServiceAccountToken).To(BeNil(), "volume %s", volume.Name)
		}
	}
}
