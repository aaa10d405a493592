//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

var _ = Describe("A channel that its admin registers", Ordered, ContinueOnFailure, func() {
	var (
		repairs          *line
		url, secret, key string
		leon             = customer{"+1 202-555-0144", "Leon Mustermann"}
		registered       = func(ctx SpecContext) string {
			return conditionMessage(ctx, repairs, v1alpha1.ConditionWebhookRegistered)
		}
	)

	BeforeAll(func(ctx SpecContext) {
		repairs = prepare(ctx, "desk")
		repairs.apply(ctx)
	}, NodeTimeout(time.Minute))

	It("tells the admin the callback URL and where the verify token is", func(ctx SpecContext) {
		kubectl(ctx, "wait", "--for=condition=WebhookRegistered=False", "--timeout=2m", "--namespace", "desk", "wac/repairs")
		kubectl(ctx, "wait", "--for=condition=ReceiverAvailable", "--timeout=2m", "--namespace", "desk", "wac/repairs")
		status := repairs.channel(ctx).Status
		Expect(status.VerifyTokenSecretRef).NotTo(BeNil())
		url, secret, key = status.CallbackURL, status.VerifyTokenSecretRef.Name, status.VerifyTokenSecretRef.Key
		Eventually(registered).WithContext(ctx).Should(SatisfyAll(
			ContainSubstring(url), ContainSubstring(secret), ContainSubstring(key)))
		Expect(repairs.override(ctx)).To(BeEmpty(), "nothing at Meta may be changed unasked")
	}, SpecTimeout(4*time.Minute))

	It("becomes Ready once the admin has pasted both", func(ctx SpecContext) {
		token, err := cluster.SecretValue(ctx, "desk", secret, key)
		Expect(err).NotTo(HaveOccurred())
		// A Service leads to a pod that has just become ready a moment later; an admin who is too early tries again.
		Eventually(subscribeApp).WithContext(ctx).WithArguments(manualApp, manualSecret, url, token).Should(Succeed())
		Expect(subscribeAccount(ctx, manualToken, manualAccount)).To(Succeed())
		repairs.requestOnly(ctx)
		repairs.expectReady(ctx)
		Expect(repairs.override(ctx)).To(BeEmpty())
	}, SpecTimeout(4*time.Minute))

	It("turns a customer's message into a ticket", func(ctx SpecContext) {
		repairs.customerWrites(ctx, leon, "My marmalade pot leaks.")
		Expect(repairs.ticket(ctx, "My marmalade pot leaks.").Group).To(Equal("2nd Level"))
		expectReceived(ctx, leon, welcome)
	}, SpecTimeout(3*time.Minute))
})
