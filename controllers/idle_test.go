package controllers_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

var _ = Describe("Several channels", func() {
	// T22 in small; `make bench BENCH=operator` has a thousand.
	It("become ready at the same time for few requests each, and ask nothing in ten minutes of rest", func() {
		const channels, perChannel = 10, 15
		// What operators of other specs left undone when they ended counts for ever.
		operator.stop()
		abandoned := undone()
		operator = startOperator()
		var fixtures []*fixture
		var namespaces []string
		for range channels {
			f := newFixture()
			fixtures, namespaces = append(fixtures, f), append(namespaces, f.namespace)
		}
		runKubelet(namespaces...)
		before := len(requests.snapshot())
		var made []*v1alpha1.WhatsAppChannel
		for _, f := range fixtures {
			made = append(made, f.create())
		}
		for i, f := range fixtures {
			Eventually(f.condition(made[i], v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
			Eventually(f.current).WithArguments(made[i]).Should(HaveField("Status.Receiver.Backlog", Not(BeNil())))
		}
		settle(abandoned)
		asked := requestsIn(requests.snapshot()[before:], namespaces)
		// That is twelve, a NetworkPolicy, and the Secret that these channels do not share; where the cache is behind, an object
		// is read live.
		Expect(len(asked)).To(BeNumerically("<=", channels*perChannel), strings.Join(asked, "\n"))

		before, atMeta := len(requests.snapshot()), simulator.Count()
		for range 10 {
			clock.Step(time.Minute)
			looked := reconciliations()
			for i, f := range fixtures {
				f.poke(made[i])
			}
			Eventually(reconciliations).Should(BeNumerically(">=", looked+channels))
		}
		settle(abandoned)
		Expect(requestsIn(requests.snapshot()[before:], namespaces)).To(BeEmpty())
		Expect(simulator.Count()).To(Equal(atMeta))
	})
})

// requestsIn are the requests that are about certain namespaces.
func requestsIn(all, namespaces []string) []string {
	var found []string
	for _, request := range all {
		for _, namespace := range namespaces {
			if strings.Contains(request, "/namespaces/"+namespace+"/") {
				found = append(found, request)
			}
		}
	}
	return found
}

// reconciliations is how many the operators of this process have finished.
func reconciliations() float64 { return sumOfMetric("controller_runtime_reconcile_total") }

// settle waits until no reconciliation is under way or due but those that are abandoned.
func settle(abandoned float64) {
	GinkgoHelper()
	Eventually(undone).Should(Equal(abandoned))
}

// undone is how many reconciliations are under way or due.
func undone() float64 {
	GinkgoHelper()
	return sumOfMetric("controller_runtime_active_workers") + sumOfMetric("workqueue_depth")
}

func sumOfMetric(name string) float64 {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return sum
}
