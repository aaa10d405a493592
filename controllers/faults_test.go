package controllers_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// example is a channel that something happens to.
type example struct {
	*fixture
	object *v1alpha1.WhatsAppChannel
	plan   *faultPlan
}

var _ = Describe("A channel comes to the same end", func() {
	// undisturbed is a channel to which nothing happens, after it became ready.
	undisturbed := func() example {
		GinkgoHelper()
		f := newFixture()
		plan := faults.plan(f, faultPlan{dieAfter: -1})
		return example{f, f.createReady(), plan}
	}
	// start makes one channel for each plan, all at once.
	start := func(plans ...faultPlan) []example {
		GinkgoHelper()
		var examples []example
		var namespaces []string
		for _, plan := range plans {
			e := example{fixture: newFixture()}
			e.plan = faults.plan(e.fixture, plan)
			examples, namespaces = append(examples, e), append(namespaces, e.namespace)
		}
		DeferCleanup(faults.none)
		runKubelet(namespaces...)
		for i := range examples {
			examples[i].object = examples[i].create()
		}
		return examples
	}
	expectSame := func(e example, reference map[string]string, description string) {
		GinkgoHelper()
		Eventually(e.condition(e.object, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady), description)
		Eventually(func() []string { return differences(reference, e.outcome(e.object)) }).Should(BeEmpty(), description)
		Expect(calls(e.number.ID, cloudapitest.PostPhoneNumber)).To(Equal(1), description)
		Expect(calls(e.account.ID, cloudapitest.PostSubscribedApps)).To(Equal(1), description)
	}

	// T3: what lies before a write lies after the one before it, so the operator ends after each, and before the first.
	It("wherever the operator was killed on the way, even where Meta knows more than the status", func() {
		standard := undisturbed()
		reference := standard.outcome(standard.object)
		var writes []string
		faults.read(func() { writes = append(writes, standard.plan.writes...) })
		Expect(len(writes)).To(BeNumerically(">=", 14), "%q", writes)
		Expect(writes).To(ContainElements("POST Meta ", "POST secrets", "PATCH whatsappchannels/support", "PATCH whatsappchannels/support/status"))

		plans := make([]faultPlan, len(writes)+1)
		for i := range plans {
			plans[i].dieAfter = i
		}
		examples := start(plans...)
		for _, e := range examples {
			Eventually(func() (killed bool) {
				faults.read(func() { killed = e.plan.killed })
				return killed
			}).Should(BeTrue())
		}
		operator.stop()
		faults.none()
		operator = startOperator()
		for i, e := range examples {
			description := "killed before it wrote anything"
			if i > 0 {
				description = fmt.Sprintf("killed after write %d, %s", i, writes[i-1])
			}
			expectSame(e, reference, description)
		}
	})

	// T5: nothing is done because of an event; an event only says when to look.
	It("whichever watch event was lost on the way, at the next one of that object", func() {
		standard := undisturbed()
		reference := standard.outcome(standard.object)
		var events []string
		faults.read(func() { events = append(events, standard.plan.events...) })
		Expect(len(events)).To(BeNumerically(">=", 14), "%q", events)

		plans := make([]faultPlan, len(events))
		for i := range plans {
			plans[i] = faultPlan{dieAfter: -1, drop: i + 1}
		}
		for i, e := range start(plans...) {
			description := fmt.Sprintf("event %d, %s or the like", i+1, events[i])
			Eventually(func() (dropped bool) {
				faults.read(func() { dropped = e.plan.dropped })
				// Not every channel has as many events until it is ready.
				if !dropped && e.condition(e.object, v1alpha1.ConditionReady)().Status == metav1.ConditionTrue {
					e.touchAll()
				}
				return dropped
			}).Should(BeTrue(), description)
			e.touchAll()
			expectSame(e, reference, description)
		}
	})

	// T5, too: after the end of an object no other event of it comes.
	It("even if it is told of the end of nothing that the channel has", func() {
		f := newFixture()
		runKubelet(f.namespace)
		channel := f.create(byIngress(nil), manual)
		simulator.SetOverride(f.number.ID, f.app.ID, f.callbackURL(channel))
		simulator.SubscribeAccount(f.account.ID, f.app.ID)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		reference := f.children(channel)

		plan := faults.plan(f, faultPlan{dieAfter: -1, dropEnds: true})
		DeferCleanup(faults.none)
		// unnoticed waits until so many ends did not come to be known.
		unnoticed := func(ends int) {
			GinkgoHelper()
			Eventually(func() (n int) {
				faults.read(func() { n = plan.ends })
				return n
			}).Should(Equal(ends))
			faults.read(func() { plan.ends = 0 })
		}
		// later lets the time pass after which the cache may be doubted.
		later := func(of *v1alpha1.WhatsAppChannel) {
			GinkgoHelper()
			clock.Step(67 * time.Minute)
			f.poke(of)
		}
		allThere := func() []string { return differences(reference, f.children(channel)) }

		By("making again what was deleted, because the callback URL leads nowhere")
		f.deleteAll(channel)
		unnoticed(len(reference))
		f.poke(channel)
		Consistently(f.children, "300ms").WithArguments(channel).Should(BeEmpty())
		later(channel)
		Eventually(allThere).Should(BeEmpty())
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beTrue(v1alpha1.ReasonReachable))
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))

		By("making again what was deleted, because the receiver does not answer the operator")
		Expect(api.Delete(f.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "support-receiver", Namespace: f.namespace}})).To(Succeed())
		unnoticed(1)
		receiver.say(config.Status{}, errors.New("connection refused"))
		later(channel)
		Eventually(allThere).Should(BeEmpty())
		receiver.say(config.Status{}, nil)

		By("missing the credentials when a person asks, and making the authority again, which is read where something else leads to it")
		for _, name := range []string{secretName, "support-authority"} {
			Expect(api.Delete(f.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace}})).To(Succeed())
		}
		unnoticed(2)
		f.annotate(channel, v1alpha1.RequestedAtAnnotation, "now")
		Eventually(allThere).Should(BeEmpty())
		Eventually(f.condition(channel, v1alpha1.ConditionCredentialsValid)).Should(beFalse(v1alpha1.ReasonSecretNotFound))
		f.poke(channel)
		Consistently(f.condition(channel, v1alpha1.ConditionCredentialsValid), "300ms").Should(beFalse(v1alpha1.ReasonSecretNotFound))
		f.createSecret(secretName, f.token, f.app.Secret)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))

		By("handing the number over")
		outlast(channel)
		younger := f.create(manual, func(c *v1alpha1.WhatsAppChannel) { c.Name = "zz-second" })
		Eventually(f.condition(younger, v1alpha1.ConditionPhoneNumberReady)).Should(beFalse(v1alpha1.ReasonNumberTaken))
		Expect(api.Delete(f.ctx, channel)).To(Succeed())
		unnoticed(1)
		later(younger)
		Eventually(f.condition(younger, v1alpha1.ConditionPhoneNumberReady)).Should(beTrue(v1alpha1.ReasonConnected))
	})

	// T4: the cache is of before the deletion, and the name is another channel's by now.
	It("even if the operator went on with a channel of the same name that is gone", func() {
		f := newFixture()
		simulator.SetOverride(f.number.ID, f.app.ID, "https://"+publicHostname+"/"+f.namespace+"/support")
		simulator.SubscribeAccount(f.account.ID, f.app.ID)
		runKubelet(f.namespace)
		old := f.create(manual)
		Eventually(f.condition(old, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		reference := f.children(old)

		release := faults.holdChannels()
		defer release()
		f.delete(old)
		channel := f.create(manual)
		Expect(channel.UID).NotTo(Equal(old.UID))

		By("working for the one that is gone")
		service := &corev1.Service{}
		f.get("support-receiver", service)
		Expect(api.Delete(f.ctx, service)).To(Succeed())
		Eventually(f.absent("support-receiver", &corev1.Service{})).Should(BeFalse())
		f.setSecret(map[string]string{"unrelated": "value"})
		asked := simulator.Count()
		Eventually(func() int { return simulator.Count() }).Should(BeNumerically(">=", asked))
		Consistently(func() v1alpha1.WhatsAppChannelStatus { return f.current(channel).Status }, "300ms").Should(
			Equal(v1alpha1.WhatsAppChannelStatus{ObservedGeneration: new(int64(-1))}), "the status of the old channel is not the new one's")

		By("learning of the new one, which takes over nothing that is not its own")
		release()
		Eventually(f.condition(channel, v1alpha1.ConditionReceiverAvailable)).Should(beFalse(v1alpha1.ReasonNameTaken))
		f.deleteOwnedBy(old)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(f.children(channel)).To(Equal(reference))
		Expect(metav1.IsControlledBy(f.deployment(), channel)).To(BeTrue())
	})
})

// touchAll makes another event of every object in the namespace that the operator watches.
func (f *fixture) touchAll() {
	GinkgoHelper()
	channels := v1alpha1.GroupVersion.WithKind("WhatsAppChannel")
	for _, object := range f.objects(append(slices.Clone(childKinds), channels)) {
		touch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"annotations": {"example.com/touched": "yes"}}}`))
		Expect(client.IgnoreNotFound(api.Patch(f.ctx, &object, touch))).To(Succeed())
	}
}

// deleteAll deletes everything that the operator made for a channel.
func (f *fixture) deleteAll(channel *v1alpha1.WhatsAppChannel) {
	GinkgoHelper()
	for _, object := range f.objects(childKinds, client.MatchingLabels(manifests.Labels(channel.Name))) {
		// Nobody else takes the protection from a volume here.
		unprotect := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"finalizers": null}}`))
		Expect(api.Patch(f.ctx, &object, unprotect)).To(Succeed())
		Expect(client.IgnoreNotFound(api.Delete(f.ctx, &object))).To(Succeed())
	}
}

// deleteOwnedBy does what the garbage collector would with what a channel that is gone owned.
func (f *fixture) deleteOwnedBy(gone *v1alpha1.WhatsAppChannel) {
	GinkgoHelper()
	for _, object := range f.objects(childKinds, client.MatchingLabels(manifests.Labels(gone.Name))) {
		if metav1.IsControlledBy(&object, gone) {
			Expect(client.IgnoreNotFound(api.Delete(f.ctx, &object))).To(Succeed())
		}
	}
}

// objects are those of some kinds in the namespace.
func (f *fixture) objects(kinds []schema.GroupVersionKind, options ...client.ListOption) []unstructured.Unstructured {
	GinkgoHelper()
	var found []unstructured.Unstructured
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		Expect(api.List(f.ctx, list, append(options, client.InNamespace(f.namespace))...)).To(Succeed())
		found = append(found, list.Items...)
	}
	return found
}
