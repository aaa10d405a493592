package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

var _ = Describe("An operator", func() {
	// T23: one operator dies while it registers a number, and another goes on.
	It("goes on where another stopped, whether that died or handed over", func() {
		f := newFixture()
		operator.stop()
		start := func(faults *injection) *runningOperator {
			return startOperatorAmid(faults, operatorConfig, nil, func(o *ctrl.Options) {
				election := rest.CopyConfig(environment.Config)
				election.Wrap(transport.WrapperFunc(faults.kubernetes))
				o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, "whatsapp-operator", f.namespace
				o.LeaderElectionConfig, o.LeaderElectionReleaseOnCancel = election, true
				o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = new(4*time.Second), new(3*time.Second), new(100*time.Millisecond)
			})
		}
		deadly := newInjection()
		plan := deadly.plan(f, faultPlan{dieAfter: -1, dieAt: "POST Meta "})
		first := start(deadly)
		running := []*runningOperator{first}
		DeferCleanup(func() {
			for _, o := range running {
				o.stop()
			}
			operator = startOperator()
		})
		runKubelet(f.namespace)
		channel := f.create()
		Eventually(func() (killed bool) {
			deadly.read(func() { killed = plan.killed })
			return killed
		}).Should(BeTrue())
		Expect(f.override()).To(Equal(f.callbackURL(channel)), "Meta has it, and the status does not say so")
		Expect(f.current(channel).Status.Registration.URL).To(BeEmpty())

		By("taking over from one that lost its lease")
		second := start(newInjection())
		running = append(running, second)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(calls(f.number.ID, cloudapitest.PostPhoneNumber)).To(Equal(1))
		Eventually(first.ended).Should(BeClosed(), "an operator that does not lead must not act")

		By("taking over from one that was told to end")
		third := start(newInjection())
		running = append(running, third)
		second.stop()
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Messages.Welcome = text("Thanks for writing.") })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Expect(calls(f.number.ID, cloudapitest.PostPhoneNumber)).To(Equal(1))
	})

	// T15: what an earlier version declared and this one does not goes, and no receiver starts anew for it.
	It("takes over what an earlier version of it made", func() {
		f := newFixture()
		runKubelet(f.namespace)
		channel := f.create()
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		before, generation := f.children(channel), f.deployment().Generation

		operator.stop()
		children := []client.Object{&appsv1.Deployment{}, &corev1.Service{}, &corev1.ConfigMap{}, &corev1.ServiceAccount{}, &networkingv1.NetworkPolicy{}}
		for _, child := range children {
			f.get("support-receiver", child)
			f.declareEarlier(child, "whatsapp-operator.io/obsolete")
		}
		Expect(f.children(channel)).NotTo(Equal(before))
		operator = startOperator()
		Eventually(func() []string { return differences(before, f.children(channel)) }).Should(BeEmpty())
		Expect(f.deployment().Generation).To(Equal(generation))
		Expect(f.condition(channel, v1alpha1.ConditionReady)()).To(beTrue(v1alpha1.ReasonReady))
	})

	It("goes on when the API server comes back", func() {
		f := newFixture()
		runKubelet(f.namespace)
		channel := f.create()
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		before := f.children(channel)

		By("doing what it could not finish, of which no event tells any more")
		plan := faults.plan(f, faultPlan{dieAfter: -1, forbid: true})
		DeferCleanup(faults.none)
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Delivery = v1alpha1.DeliveryHeld })
		Eventually(func() (refused []string) {
			faults.read(func() { refused = append(refused, plan.refused...) })
			return refused
		}).ShouldNot(BeEmpty())
		restartAPIServer()
		faults.none()
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonHeld))

		By("seeing what happens from then on")
		service := &corev1.Service{}
		f.get("support-receiver", service)
		Expect(api.Delete(f.ctx, service)).To(Succeed())
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Delivery = "" })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Eventually(func() []string { return differences(before, f.children(channel)) }).Should(BeEmpty())
		Expect(calls(f.number.ID, cloudapitest.PostPhoneNumber)).To(Equal(1))
	})
})

// declareEarlier gives an object a label as if the operator had applied it with everything else.
func (f *fixture) declareEarlier(object client.Object, label string) {
	GinkgoHelper()
	labels := object.GetLabels()
	labels[label] = "yes"
	labels[manifests.DeclarationLabel] = "earlier"
	object.SetLabels(labels)
	Expect(api.Update(f.ctx, object)).To(Succeed())
	var managers []metav1.ManagedFieldsEntry
	for _, manager := range object.GetManagedFields() {
		if manager.Manager == manifests.ManagedBy && manager.Operation == metav1.ManagedFieldsOperationApply {
			fields := map[string]any{}
			Expect(json.Unmarshal(manager.FieldsV1.GetRawBytes(), &fields)).To(Succeed())
			Expect(unstructured.SetNestedMap(fields, map[string]any{}, "f:metadata", "f:labels", "f:"+label)).To(Succeed())
			raw, err := json.Marshal(fields)
			Expect(err).NotTo(HaveOccurred())
			manager.FieldsV1.SetRawBytes(raw)
		}
		if manager.Manager == manifests.ManagedBy || manager.Subresource != "" {
			managers = append(managers, manager)
		}
	}
	object.SetManagedFields(managers)
	Expect(api.Update(f.ctx, object)).To(Succeed())
}

// secondAPIServer is the API server that took the place of envtest's, if one did. The specs that follow go on with it.
var secondAPIServer *exec.Cmd

func stopSecondAPIServer() {
	if secondAPIServer != nil {
		_ = secondAPIServer.Process.Kill()
		_ = secondAPIServer.Wait()
	}
}

// restartAPIServer kills the API server, and starts it again as it was.
func restartAPIServer() {
	GinkgoHelper()
	pid, command := apiServer()
	Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
	Eventually(func() error { return syscall.Kill(pid, 0) }).Should(MatchError(syscall.ESRCH))
	secondAPIServer = exec.Command(command[0], command[1:]...)
	Expect(secondAPIServer.Start()).To(Succeed())
	asOperator, err := client.New(operatorConfig, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	Eventually(func() error { return asOperator.List(context.Background(), &corev1.ServiceList{}) }, time.Minute).Should(Succeed())
	// Until it has read the roles it refuses everything.
	requests.forgetForbidden()
}

// apiServer finds the API server that envtest started.
func apiServer() (pid int, command []string) {
	GinkgoHelper()
	statuses, err := filepath.Glob("/proc/[0-9]*/stat")
	Expect(err).NotTo(HaveOccurred())
	for _, path := range statuses {
		stat, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		Expect(err).NotTo(HaveOccurred())
		var name, state string
		var parent int
		if n, _ := fmt.Sscanf(string(stat), "%d %s %s %d", &pid, &name, &state, &parent); n != 4 || parent != os.Getpid() || !strings.HasPrefix(name, "(kube-apiserver") {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		Expect(err).NotTo(HaveOccurred())
		for argument := range bytes.SplitSeq(bytes.TrimSuffix(line, []byte{0}), []byte{0}) {
			command = append(command, string(argument))
		}
		return pid, command
	}
	Fail("there is no API server")
	return 0, nil
}
