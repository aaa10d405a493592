// Package stagetest begins test suites that need a stage, and shows the stage when a test fails.
package stagetest

import (
	"context"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
)

// Repository leads from the folder of a suite, which is where its tests run, to the root of the repository.
const Repository = "../.."

// Run runs the specs of a package. They wait with patience, where they do not say how long.
func Run(t *testing.T, description string, patience time.Duration) {
	t.Helper()
	RegisterFailHandler(Fail)
	log.SetLogger(GinkgoLogr)
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(500 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, description)
}

// Open connects to the cluster that KUBECONFIG names, clears what earlier tests left there, and makes namespaces.
func Open(ctx context.Context, namespaces ...string) (*stage.Cluster, *stage.Authority) {
	GinkgoHelper()
	kubeconfig := os.Getenv("KUBECONFIG")
	Expect(kubeconfig).NotTo(BeEmpty(), "KUBECONFIG must name the cluster to test in; hack/e2e makes one. "+
		"The tests install the operator there, and delete the namespaces that they use.")
	cluster, err := stage.Open(kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	authority, err := stage.NewAuthority()
	Expect(err).NotTo(HaveOccurred())
	By("clearing what earlier tests left")
	Expect(cluster.Clear(ctx)).To(Succeed())
	for _, namespace := range namespaces {
		Expect(cluster.Namespace(ctx, namespace)).To(Succeed())
	}
	return cluster, authority
}

// Begin starts Meta, with what exists there, and installs the operator.
func Begin(ctx context.Context, cluster *stage.Cluster, authority *stage.Authority, world stage.Seed) *stage.Meta {
	GinkgoHelper()
	By("starting Meta")
	meta, err := cluster.StartMeta(ctx, authority, world)
	Expect(err).NotTo(HaveOccurred())
	By("installing the operator")
	Expect(cluster.InstallOperator(ctx, Repository, authority)).To(Succeed())
	return meta
}

// Explain shows what an administrator would look at in the namespaces of a suite, if a spec has failed.
func Explain(ctx context.Context, report SpecReport, cluster *stage.Cluster, namespaces ...string) {
	if !report.Failed() || cluster == nil {
		return
	}
	for _, namespace := range append(namespaces, stage.OperatorNamespace, stage.MetaNamespace) {
		GinkgoWriter.Printf("\n=== namespace %s\n%s", namespace, cluster.Explain(ctx, namespace))
	}
}

// ExpectSamePod says that a pod is the one it was, and that none of its containers was started again.
func ExpectSamePod(pod, before corev1.Pod) {
	GinkgoHelper()
	Expect(pod.UID).To(Equal(before.UID), "the receiver must not be replaced")
	for i, container := range before.Status.ContainerStatuses {
		Expect(pod.Status.ContainerStatuses[i].RestartCount).To(Equal(container.RestartCount), "container %s must not be restarted", container.Name)
	}
}
