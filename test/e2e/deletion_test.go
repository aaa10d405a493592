//go:build e2e

package e2e

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A channel that is deleted", Ordered, ContinueOnFailure, func() {
	var (
		returns *line
		empty   []string
		token   string
		olivia  = customer{"+1 202-555-0180", "Olivia Musterfrau"}
	)

	BeforeAll(func(ctx SpecContext) {
		prepare(ctx, "leaving")
		returns = prepare(ctx, "returning")
		empty = objects(ctx, "deletion")
		returns.apply(ctx)
		returns.expectReady(ctx)
		returns.customerWrites(ctx, olivia, "I send the marmalade back.")
		returns.ticket(ctx, "I send the marmalade back.")
		expectReceived(ctx, olivia, welcome)
		var err error
		token, err = cluster.SecretValue(ctx, "deletion", "returns-verify-token", "verify-token")
		Expect(err).NotTo(HaveOccurred())
	}, NodeTimeout(5*time.Minute))

	It("takes its URL back from Meta, and leaves what Retain keeps and nothing else", func(ctx SpecContext) {
		kubectl(ctx, "delete", "--timeout=2m", "-f", returns.file)
		Expect(returns.override(ctx)).To(BeEmpty())
		Eventually(objects).WithContext(ctx).WithArguments("deletion").Should(ConsistOf(append(slices.Clone(empty),
			"persistentvolumeclaim/returns-data", "secret/returns-verify-token")))
	}, SpecTimeout(4*time.Minute))

	It("takes up its tickets and its verify token when it is made again", func(ctx SpecContext) {
		returns.apply(ctx)
		returns.expectReady(ctx)
		ticket := returns.ticket(ctx, "I send the marmalade back.")
		Expect(cluster.SecretValue(ctx, "deletion", "returns-verify-token", "verify-token")).To(Equal(token))

		const reply = "The marmalade has arrived."
		Expect(returns.inbox.Reply(ctx, ticket.ID, "returned", reply)).To(Succeed())
		expectReceived(ctx, olivia, welcome, reply)
	}, SpecTimeout(4*time.Minute))

	It("leaves nothing where the storage is to be deleted", func(ctx SpecContext) {
		with := objects(ctx, "deletion")
		surveys := prepare(ctx, "leaving")
		surveys.apply(ctx)
		surveys.expectReady(ctx)
		Expect(objects(ctx, "deletion")).To(ContainElement("persistentvolumeclaim/surveys-data"))
		kubectl(ctx, "delete", "--timeout=2m", "-f", surveys.file)
		Expect(surveys.override(ctx)).To(BeEmpty())
		Eventually(objects).WithContext(ctx).WithArguments("deletion").Should(ConsistOf(with))
	}, SpecTimeout(6*time.Minute))

	It("does not hold up the deletion of its namespace", func(ctx SpecContext) {
		sales := prepare(ctx, "closing")
		sales.apply(ctx)
		sales.expectReady(ctx)
		kubectl(ctx, "delete", "namespace", "closing", "--timeout=3m")
	}, SpecTimeout(7*time.Minute))
})

// objects lists everything in a namespace as kind/name, except for what only tells what happened.
func objects(ctx context.Context, namespace string) []string {
	GinkgoHelper()
	var kinds []string
	for kind := range strings.Lines(kubectl(ctx, "api-resources", "--namespaced", "--verbs=list", "-o", "name")) {
		if kind = strings.TrimSpace(kind); !strings.HasPrefix(kind, "events") {
			kinds = append(kinds, kind)
		}
	}
	return strings.Fields(kubectl(ctx, "get", strings.Join(kinds, ","), "--namespace", namespace, "--ignore-not-found", "-o", "name"))
}
