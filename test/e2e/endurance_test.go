//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage/stagetest"
)

var _ = Describe("What goes wrong around a channel", Ordered, ContinueOnFailure, func() {
	var orders *line

	BeforeAll(func(ctx SpecContext) {
		orders = prepare(ctx, "enduring")
		orders.apply(ctx)
		orders.expectReady(ctx)
	}, NodeTimeout(4*time.Minute))

	It("loses no message and makes none double when the receiver is killed under traffic", func(ctx SpecContext) {
		const (
			killedAt = 20
			most     = 400
		)
		before := orders.pod(ctx)
		var written []string
		// Customers go on writing until the next pod has taken over.
		for tookOver := false; !tookOver && len(written) < most; {
			if len(written) == killedAt {
				kubectl(ctx, "delete", "pod", before.Name, "--namespace", "endurance", "--grace-period=0", "--force", "--wait=false")
			}
			text := fmt.Sprintf("marmalade order %d", len(written))
			orders.customerWrites(ctx, customer{fmt.Sprintf("+1 202-555-01%02d", 60+len(written)%8), "Mia Musterfrau"}, text)
			written = append(written, text)
			if len(written) > killedAt {
				var err error
				tookOver, err = cluster.TakenOver(ctx, orders.key, before.UID)
				Expect(err).NotTo(HaveOccurred())
			}
		}
		Expect(len(written)).To(And(BeNumerically(">", killedAt), BeNumerically("<", most)), "no other pod took over")

		Eventually(func(g Gomega) {
			tickets, err := orders.inbox.Tickets(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			var arrived []string
			for _, ticket := range tickets {
				for _, article := range ticket.Articles {
					if article.Author == "customer" {
						arrived = append(arrived, article.Text)
					}
				}
			}
			g.Expect(arrived).To(ConsistOf(written))
			g.Expect(tickets).To(HaveLen(8), "one ticket for each customer")
		}).WithContext(ctx).WithTimeout(5 * time.Minute).Should(Succeed())
	}, SpecTimeout(9*time.Minute))

	It("goes on receiving while Meta's Graph API is down, in the same pod", func(ctx SpecContext) {
		before := orders.pod(ctx)
		early := customer{"+1 202-555-0170", "Emma Musterfrau"}
		late := customer{"+1 202-555-0171", "Noah Mustermann"}
		Expect(meta.Fail(ctx, stage.Failure{HTTPStatus: http.StatusServiceUnavailable})).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(meta.Heal(ctx)).To(Succeed()) })

		// The operator is made to notice, and must not touch the receiver for it.
		orders.requestOnly(ctx)
		Eventually(func(g Gomega) {
			graph := orders.channel(ctx).Status.Graph
			g.Expect(graph).NotTo(BeNil())
			g.Expect(graph.Failures).To(BeNumerically(">", 0))
		}).WithContext(ctx).Should(Succeed())
		orders.customerWrites(ctx, early, "Is there marmalade in spite of the outage?")
		orders.ticket(ctx, "Is there marmalade in spite of the outage?")
		stagetest.ExpectSamePod(orders.pod(ctx), before)

		Expect(meta.Heal(ctx)).To(Succeed())
		orders.requestOnly(ctx)
		orders.expectReady(ctx)
		orders.customerWrites(ctx, late, "Is there marmalade again?")
		orders.ticket(ctx, "Is there marmalade again?")
		expectReceived(ctx, late, welcome)
		stagetest.ExpectSamePod(orders.pod(ctx), before)
	}, SpecTimeout(6*time.Minute))
})
