//go:build e2e

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
)

const (
	zammadToken = "zammad-token-5c2e8f0b7a914d63"
	goodbye     = "Your request is closed. Write again any time."
)

var nicole = customer{"+1 202-555-0177", "Nicole Musterfrau"}

var _ = Describe("A channel whose tickets are in Zammad", Ordered, ContinueOnFailure, func() {
	var (
		zammad   *stage.Zammad
		helpline *line
	)

	// tickets waits until the tickets in Zammad are as many as told, and the last one satisfies the check.
	tickets := func(ctx context.Context, count int, check func(Gomega, stage.ZammadTicket)) stage.ZammadTicket {
		GinkgoHelper()
		var last stage.ZammadTicket
		Eventually(func(g Gomega) {
			all, err := zammad.Tickets(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(all).To(HaveLen(count))
			last = all[count-1]
			check(g, last)
		}).WithContext(ctx).Should(Succeed())
		return last
	}

	BeforeAll(func(ctx SpecContext) {
		var err error
		zammad, err = cluster.StartZammad(ctx, authority)
		Expect(err).NotTo(HaveOccurred())
		Expect(zammad.IssueToken(ctx, zammadToken)).To(Succeed())
		helpline = prepare(ctx, "zammad")
		Expect(cluster.ChannelSecret(ctx, helpline.key.Namespace, "zammad", map[string]string{"token": zammadToken})).To(Succeed())
		helpline.apply(ctx)
	}, NodeTimeout(4*time.Minute))

	It("becomes Ready, and has set up how Zammad tells of replies", func(ctx SpecContext) {
		helpline.expectReady(ctx)
		Expect(conditionMessage(ctx, helpline, v1alpha1.ConditionHelpdeskReady)).To(ContainSubstring(`"2nd Level"`))
		webhooks, triggers, err := zammad.Hooks(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(webhooks).To(ConsistOf(MatchRegexp(`^whatsapp-operator .+ tickets/helpline$`)))
		Expect(triggers).To(ConsistOf(
			MatchRegexp(`^whatsapp-operator .+ tickets/helpline replies$`), MatchRegexp(`^whatsapp-operator .+ tickets/helpline states$`)))
	}, SpecTimeout(4*time.Minute))

	It("turns a customer's message into a ticket in the target group", func(ctx SpecContext) {
		helpline.customerWrites(ctx, nicole, "Where is my marmalade?")
		expectReceived(ctx, nicole, welcome)
		tickets(ctx, 1, func(g Gomega, ticket stage.ZammadTicket) {
			g.Expect(ticket.Group).To(Equal("2nd Level"))
			g.Expect(ticket.Title).To(SatisfyAll(ContainSubstring(nicole.name), ContainSubstring("via WhatsApp")))
			g.Expect(ticket.Holds("Customer", "Where is my marmalade?")).To(BeTrue())
			g.Expect(ticket.Holds("System", welcome)).To(BeTrue())
		})
	}, SpecTimeout(3*time.Minute))

	It("carries the agent's reply to the customer once, and neither notes nor its own articles", func(ctx SpecContext) {
		ticket := tickets(ctx, 1, func(Gomega, stage.ZammadTicket) {})
		Expect(zammad.Note(ctx, ticket.ID, "The marmalade is in the van.")).To(Succeed())
		Expect(zammad.Reply(ctx, ticket.ID, "<p>Your <b>marmalade</b> comes tomorrow.</p>")).To(Succeed())
		expectReceived(ctx, nicole, welcome, "Your *marmalade* comes tomorrow.")
		helpline.customerWrites(ctx, nicole, "Marmalade, at last!")
		tickets(ctx, 1, func(g Gomega, ticket stage.ZammadTicket) {
			g.Expect(ticket.Holds("Customer", "Marmalade, at last!")).To(BeTrue())
		})
		expectReceived(ctx, nicole, welcome, "Your *marmalade* comes tomorrow.")
	}, SpecTimeout(3*time.Minute))

	It("keeps what comes while Zammad is away, and passes it on in order", func(ctx SpecContext) {
		Expect(zammad.GoDown(ctx)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(zammad.Heal(ctx)).To(Succeed()) })
		helpline.customerWrites(ctx, nicole, "Marmalade one.")
		helpline.customerWrites(ctx, nicole, "Marmalade two.")
		Eventually(func(g Gomega) {
			status, err := helpline.inbox.Status(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(status.PendingEffects).To(BeNumerically(">=", 2))
		}).WithContext(ctx).Should(Succeed())
		Expect(zammad.Heal(ctx)).To(Succeed())
		tickets(ctx, 1, func(g Gomega, ticket stage.ZammadTicket) {
			var bodies []string
			for _, article := range ticket.Articles {
				if article.Sender == "Customer" {
					bodies = append(bodies, article.Body)
				}
			}
			g.Expect(bodies).To(HaveLen(4))
			g.Expect(bodies[2]).To(ContainSubstring("Marmalade one."))
			g.Expect(bodies[3]).To(ContainSubstring("Marmalade two."))
		})
	}, SpecTimeout(4*time.Minute))

	It("says goodbye when the agent closes the ticket, and opens another for the next message", func(ctx SpecContext) {
		ticket := tickets(ctx, 1, func(Gomega, stage.ZammadTicket) {})
		Expect(zammad.SetState(ctx, ticket.ID, "closed")).To(Succeed())
		expectReceived(ctx, nicole, welcome, "Your *marmalade* comes tomorrow.", goodbye)
		helpline.customerWrites(ctx, nicole, "More marmalade, please.")
		tickets(ctx, 2, func(g Gomega, ticket stage.ZammadTicket) {
			g.Expect(ticket.Holds("Customer", "More marmalade, please.")).To(BeTrue())
		})
		expectReceived(ctx, nicole, welcome, "Your *marmalade* comes tomorrow.", goodbye, welcome)
	}, SpecTimeout(3*time.Minute))
})
