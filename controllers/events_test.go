package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/controllers"
	"github.com/whatsapp-operator/whatsapp-operator/test/leaksink"
)

var _ = Describe("An Event", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	// count is how many Events of a reason there are, repetitions included.
	count := func(reason string) int {
		GinkgoHelper()
		events := &eventsv1.EventList{}
		Expect(api.List(f.ctx, events, client.InNamespace(f.namespace))).To(Succeed())
		n := 0
		for _, event := range events.Items {
			if event.Reason != reason {
				continue
			}
			n++
			if event.Series != nil {
				n += int(event.Series.Count)
			}
		}
		return n
	}

	It("tells once that the access token ends soon, and once that it ended", func() {
		ending := clock.Now().Add(10 * 24 * time.Hour).Truncate(time.Second)
		f.setSecret(map[string]string{"access-token": f.issue(cloudapitest.Token{ExpiresAt: ending})})
		channel := f.createReady()
		Expect(f.condition(channel, v1alpha1.ConditionCredentialsValid)()).To(beTrue(v1alpha1.ReasonTokenExpiring, ending.UTC().Format(time.RFC3339)))
		Expect(f.current(channel).Status.AccessToken.ExpiresAt.Time).To(BeTemporally("==", ending))
		f.expectEvent(v1alpha1.ReasonTokenExpiring)
		f.expectEvent(v1alpha1.ReasonReady)

		clock.Step(2 * 24 * time.Hour)
		f.request(channel)
		f.request(channel)
		clock.Step(9 * 24 * time.Hour)
		f.request(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonTokenInvalid))
		f.expectEvent(v1alpha1.ReasonTokenInvalid)
		f.request(channel)
		Expect(count(v1alpha1.ReasonTokenExpiring)).To(Equal(1))
		Expect(count(v1alpha1.ReasonReady)).To(Equal(1))
		Expect(count(v1alpha1.ReasonTokenInvalid)).To(Equal(1))
	})

	It("tells that a channel is ready again, and nothing where a new one just becomes ready", func() {
		channel := f.createReady()
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Delivery = v1alpha1.DeliveryHeld })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonHeld))
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Delivery = "" })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		f.expectEvent(v1alpha1.ReasonReady)
		// A second one would follow the first, which may have been there already.
		Consistently(count, "300ms").WithArguments(v1alpha1.ReasonReady).Should(Equal(1))
	})

	DescribeTable("tells that Meta holds something against the number, which status shows",
		func(number cloudapitest.PhoneNumber, reason string) {
			number.BusinessAccountID, number.DisplayPhoneNumber = f.account.ID, "+44 20 7946 0321"
			leaksink.Register(cloudapi.Digits(number.DisplayPhoneNumber))
			added := simulator.AddPhoneNumber(number)
			DeferCleanup(func() { simulator.RemovePhoneNumber(added.ID) })
			channel := f.createReady(func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = number.DisplayPhoneNumber })
			Expect(f.condition(channel, v1alpha1.ConditionPhoneNumberReady)()).To(beTrue(reason))
			f.expectEvent(reason)
			status := f.current(channel).Status.PhoneNumber
			Expect(status).To(HaveValue(And(
				HaveField("ID", added.ID), HaveField("QualityRating", added.QualityRating), HaveField("MessagingLimit", added.MessagingLimit),
				HaveField("ThroughputLevel", added.ThroughputLevel), HaveField("NameStatus", added.NameStatus),
				HaveField("CanSendMessage", added.Health.CanSendMessage),
			)))
			Expect(status.SendingProblems).To(HaveLen(len(added.Health.Entities)))
		},
		Entry("its quality", cloudapitest.PhoneNumber{QualityRating: "RED", MessagingLimit: "TIER_1K", NameStatus: "DECLINED"}, v1alpha1.ReasonQualityLow),
		Entry("limits of what it may send", cloudapitest.PhoneNumber{ThroughputLevel: "HIGH", Health: cloudapi.Health{
			CanSendMessage: "LIMITED",
			Entities: []cloudapi.EntityHealth{{Type: "BUSINESS", ID: "1", CanSendMessage: "LIMITED", Problems: []cloudapi.HealthProblem{
				{Code: 141010, Description: "The business is not verified."},
			}}},
		}}, v1alpha1.ReasonSendingLimited),
	)

	It("tells that the version of the Graph API ends, and status tells when", func() {
		end, known := cloudapi.VersionEnd("v22.0")
		Expect(known).To(BeTrue())
		operator.stop()
		operator = startOperator(func(o *controllers.Options) { o.Graph.Version = "v22.0" })
		DeferCleanup(func() {
			operator.stop()
			operator = startOperator()
		})
		clock.SetTime(end.Add(-30 * 24 * time.Hour))
		channel := f.createReady()
		Expect(f.condition(channel, v1alpha1.ConditionGraphVersionSupported)()).To(beTrue(v1alpha1.ReasonGraphVersionEnding))
		Expect(f.current(channel).Status.Graph.VersionExpiresAt.Time).To(BeTemporally("==", end))
		f.expectEvent(v1alpha1.ReasonGraphVersionEnding)
	})
})
