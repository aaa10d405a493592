package controllers_test

import (
	"cmp"
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var _ = Describe("The phone number", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	expectBroken := func(channel *v1alpha1.WhatsAppChannel, reason string, message ...string) {
		GinkgoHelper()
		Eventually(f.condition(channel, v1alpha1.ConditionPhoneNumberReady)).Should(beFalse(reason, message...))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(reason))
		Expect(f.condition(channel, v1alpha1.ConditionStalled)()).To(beTrue(reason))
	}

	It("is not looked for in an account that the token does not reach", func() {
		channel := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Spec.BusinessAccountID = "102290129340399" })
		expectBroken(channel, v1alpha1.ReasonBusinessAccountNotFound, "does not reach business account 102290129340399")
	})

	It("is found by its digits on any page", func() {
		for n := range 120 {
			f.addNumber(fmt.Sprintf("+44 20 7946 %04d", n))
		}
		channel := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+44 (20) 79460119" })
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionPhoneNumberReady)).Should(beTrue(v1alpha1.ReasonConnected))
		status := f.current(channel).Status
		Expect(status.PhoneNumber.DisplayPhoneNumber).To(Equal("+44 20 7946 0119"))
		Expect(status.AvailablePhoneNumbers).To(BeEmpty(), "there is nothing to choose any more")
	})

	It("is asked for where the account has several", func() {
		other := f.addNumber("+44 20 7946 0958")
		channel := f.create()
		expectBroken(channel, v1alpha1.ReasonAwaitingChoice, f.number.DisplayPhoneNumber, other.DisplayPhoneNumber)
		Expect(f.current(channel).Status.AvailablePhoneNumbers).To(ConsistOf(
			HaveField("ID", f.number.ID), HaveField("ID", other.ID)))
		f.runReceiver(channel)
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = other.DisplayPhoneNumber })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.current(channel).Status.PhoneNumber.ID).To(Equal(other.ID))
		Expect(f.current(channel).Status.AvailablePhoneNumbers).To(BeEmpty())
	})

	It("is asked for with at most a hundred of the account's numbers", func() {
		for n := range 120 {
			f.addNumber(fmt.Sprintf("+44 20 7947 %04d", n))
		}
		channel := f.create()
		expectBroken(channel, v1alpha1.ReasonAwaitingChoice, "see status.availablePhoneNumbers")
		Expect(f.current(channel).Status.AvailablePhoneNumbers).To(HaveLen(100))
	})

	It("is named with the account's numbers where the account does not have it", func() {
		channel := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+49 30 901820" })
		expectBroken(channel, v1alpha1.ReasonNotFound, "It has: "+f.number.DisplayPhoneNumber)
	})

	It("is missed in an account without numbers", func() {
		simulator.RemovePhoneNumber(f.number.ID)
		expectBroken(f.create(), v1alpha1.ReasonNoPhoneNumbers, "Add one in WhatsApp Manager")
	})

	It("has to be connected", func() {
		f.number.Status = "BANNED"
		simulator.AddPhoneNumber(f.number)
		expectBroken(f.create(), v1alpha1.ReasonNotConnected, "as BANNED")
	})

	It("has to be registered", func() {
		f.number.PlatformType = "NOT_APPLICABLE"
		simulator.AddPhoneNumber(f.number)
		expectBroken(f.create(), v1alpha1.ReasonNotRegistered, "Register it in WhatsApp Manager")
	})

	It("serves one channel, the older", func() {
		older := f.createReady()
		outlast(older)
		younger := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Name = "zz-second" })
		expectBroken(younger, v1alpha1.ReasonNumberTaken, `the older channel "support"`)
		f.runReceiver(younger)
		Expect(f.override()).To(Equal(f.callbackURL(older)))
		Expect(f.configuredNumber("zz-second-receiver")).To(BeNil())

		By("not naming a channel of another namespace")
		elsewhere := newFixture()
		elsewhere.account = f.account
		elsewhere.setSecret(map[string]string{"access-token": f.token, "app-secret": f.app.Secret})
		foreign := elsewhere.create(func(c *v1alpha1.WhatsAppChannel) { c.Name = "zz-third" })
		Eventually(elsewhere.condition(foreign, v1alpha1.ConditionPhoneNumberReady)).Should(beFalse(v1alpha1.ReasonNumberTaken, "in another namespace"))
		Expect(elsewhere.condition(foreign, v1alpha1.ConditionPhoneNumberReady)().Message).NotTo(ContainSubstring(f.namespace))
		Expect(api.Delete(f.ctx, foreign)).To(Succeed())

		By("handing it over when the older is gone")
		Expect(api.Delete(f.ctx, older)).To(Succeed())
		Eventually(f.condition(younger, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.override()).To(Equal(f.callbackURL(younger)))
		Expect(f.configuredNumber("zz-second-receiver").ID).To(Equal(f.number.ID))
	})

	DescribeTable("is handed over however long the older channel takes to go, whatever channels share of what Meta had before",
		func(hiccups ...cloudapitest.Failure) {
			older := f.createReady()
			outlast(older)
			younger := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Name = "zz-second" })
			expectBroken(younger, v1alpha1.ReasonNumberTaken)
			f.runReceiver(younger)
			Eventually(f.condition(younger, v1alpha1.ConditionReceiverAvailable)).Should(beTrue(v1alpha1.ReasonAvailable))
			f.request(older)
			for _, hiccup := range hiccups {
				hiccup.Object = f.number.ID
				simulator.Fail(hiccup)
			}
			Expect(api.Delete(f.ctx, older)).To(Succeed())
			if len(hiccups) > 0 {
				Eventually(f.condition(younger, v1alpha1.ConditionPhoneNumberReady)).Should(beFalse(v1alpha1.ReasonClaiming, `the older channel "support", which is being deleted`))
				Expect(f.condition(younger, v1alpha1.ConditionReconciling)()).To(beTrue(v1alpha1.ReasonClaiming))
			}
			Eventually(f.condition(younger, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
			Expect(f.gone(older)()).To(BeTrue())
			Expect(f.override()).To(Equal(f.callbackURL(younger)))
		},
		Entry("at once"),
		Entry("once Meta answers", cloudapitest.Failure{Code: 2, Times: 1}),
	)

	It("is handed over even if something else keeps the older channel from going", func() {
		older := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Finalizers = []string{"example.com/keep"} })
		f.runReceiver(older)
		Eventually(f.condition(older, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		outlast(older)
		younger := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Name = "zz-second" })
		expectBroken(younger, v1alpha1.ReasonNumberTaken)
		f.runReceiver(younger)
		simulator.Fail(cloudapitest.Failure{Object: f.number.ID, Code: 2, Times: 1})
		Expect(api.Delete(f.ctx, older)).To(Succeed())
		Eventually(f.condition(younger, v1alpha1.ConditionPhoneNumberReady)).Should(beFalse(v1alpha1.ReasonClaiming))
		Eventually(f.condition(younger, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.override()).To(Equal(f.callbackURL(younger)))
		f.change(older, func(c *v1alpha1.WhatsAppChannel) { c.Finalizers = nil })
	})

	It("stays the channel's when the account gets a second", func() {
		channel := f.createReady()
		other := f.addNumber("+44 20 7946 0959")
		f.request(channel)
		Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beTrue(v1alpha1.ReasonReady))

		By("not becoming another whatever the spec says, so that its callback URL is taken back")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = other.DisplayPhoneNumber })
		expectBroken(channel, v1alpha1.ReasonServesAnotherNumber, "serves "+f.number.DisplayPhoneNumber,
			"create another WhatsAppChannel", fmt.Sprintf("set spec.phoneNumber back to %q", f.number.DisplayPhoneNumber))
		Expect(f.current(channel).Status.PhoneNumber.ID).To(Equal(f.number.ID))
		Expect(f.configuredNumber("support-receiver").ID).To(Equal(f.number.ID))
		Expect(f.condition(channel, v1alpha1.ConditionReceiverAvailable)()).To(beTrue(v1alpha1.ReasonAvailable))
		Expect(f.override()).To(Equal(f.callbackURL(channel)))
		f.delete(channel)
		Expect(f.override()).To(BeEmpty())
	})

	It("can be named again after a slip, and is served all the time", func() {
		channel := f.createReady(func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = f.number.DisplayPhoneNumber })
		other := f.addNumber("+44 20 7946 0962")
		versions := f.versions(channel)
		name := func(number string) {
			GinkgoHelper()
			f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = number })
		}
		expectServed := func() {
			GinkgoHelper()
			Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
			Expect(f.current(channel).Status.PhoneNumber.ID).To(Equal(f.number.ID))
			Expect(f.override()).To(Equal(f.callbackURL(channel)))
			Expect(f.versions(channel)).To(Equal(versions), "nothing was switched")
			Expect(calls(f.number.ID, cloudapitest.PostPhoneNumber)).To(Equal(1))
			Expect(calls(other.ID, cloudapitest.PostPhoneNumber)).To(BeZero())
		}
		name(other.DisplayPhoneNumber)
		expectBroken(channel, v1alpha1.ReasonServesAnotherNumber)
		name(f.number.DisplayPhoneNumber)
		expectServed()

		By("also where the account does not have what was named, and where none is named again")
		name("+44 20 7946 0963")
		expectBroken(channel, v1alpha1.ReasonNotFound, "It has: "+f.number.DisplayPhoneNumber)
		name(other.DisplayPhoneNumber)
		expectBroken(channel, v1alpha1.ReasonServesAnotherNumber)
		name("")
		expectServed()
	})

	It("can be corrected for a channel that found none", func() {
		channel := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+44 20 7946 0964" })
		expectBroken(channel, v1alpha1.ReasonNotFound)
		f.runReceiver(channel)
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = f.number.DisplayPhoneNumber })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.configuredNumber("support-receiver").ID).To(Equal(f.number.ID))
	})

	It("may be another for a channel that never had the one that an older channel has", func() {
		older := f.createReady()
		outlast(older)
		younger := f.create(func(c *v1alpha1.WhatsAppChannel) { c.Name = "zz-second" })
		expectBroken(younger, v1alpha1.ReasonNumberTaken, "choose another number")
		f.runReceiver(younger)
		other := f.addNumber("+44 20 7946 0960")
		f.change(younger, func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = other.DisplayPhoneNumber })
		Eventually(f.condition(younger, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.configuredNumber("zz-second-receiver").ID).To(Equal(other.ID))
		Expect(f.override()).To(Equal(f.callbackURL(older)))
	})

	It("is missed where it left the account, and no other takes its place", func() {
		channel := f.createReady()
		other := f.addNumber("+44 20 7946 0961")
		simulator.RemovePhoneNumber(f.number.ID)
		f.request(channel)
		expectBroken(channel, v1alpha1.ReasonNotFound, "does not have "+f.number.DisplayPhoneNumber+" any more", "It has: "+other.DisplayPhoneNumber)
		Expect(f.current(channel).Status.PhoneNumber.ID).To(Equal(f.number.ID))
	})

	It("serves one of two channels that come at the same time", func() {
		names := []string{"one", "two", "three", "four"}
		var channels []*v1alpha1.WhatsAppChannel
		for _, name := range names {
			channels = append(channels, f.channel(func(c *v1alpha1.WhatsAppChannel) { c.Name = name }))
		}
		created := make(chan error, len(channels))
		for _, channel := range channels {
			go func() { created <- api.Create(f.ctx, channel) }()
		}
		for range channels {
			Expect(<-created).To(Succeed())
		}
		slices.SortFunc(channels, func(a, b *v1alpha1.WhatsAppChannel) int {
			return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
		})
		Eventually(f.condition(channels[0], v1alpha1.ConditionPhoneNumberReady)).Should(beTrue(v1alpha1.ReasonConnected))
		for _, loser := range channels[1:] {
			Eventually(f.condition(loser, v1alpha1.ConditionPhoneNumberReady)).Should(beFalse(v1alpha1.ReasonNumberTaken))
		}
	})

	It("is refreshed when the admin asks for it, once for each request", func() {
		channel := f.createReady()
		f.number.QualityRating = "RED"
		simulator.AddPhoneNumber(f.number)
		f.request(channel)
		Eventually(func() string { return f.current(channel).Status.PhoneNumber.QualityRating }).Should(Equal("RED"))
		asked := simulator.Count(cloudapitest.GetPhoneNumbers)
		f.poke(channel)
		Consistently(func() int { return simulator.Count(cloudapitest.GetPhoneNumbers) }, "200ms").Should(Equal(asked))
	})
})

// configuredNumber is the number that a receiver is told.
func (f *fixture) configuredNumber(name string) *config.PhoneNumber {
	GinkgoHelper()
	configMap := &corev1.ConfigMap{}
	f.get(name, configMap)
	running, err := config.Parse([]byte(configMap.Data[config.ChannelFile]))
	Expect(err).NotTo(HaveOccurred())
	return running.PhoneNumber
}
