//go:build e2e

// Package e2e tests the product as users have it: installed in a real cluster, with Meta played by the simulator.
package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
)

var (
	cluster   *stage.Cluster
	meta      *stage.Meta
	authority *stage.Authority
	logs      *stage.Logs
	// installed says that the tests could begin.
	installed bool
)

// channelNamespaces are those that the tests put channels into.
var channelNamespaces = []string{"helpdesk", "desk", "rotation", "endurance", "deletion", "closing", "plugin", "tickets"}

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	log.SetLogger(GinkgoLogr)
	SetDefaultEventuallyTimeout(2 * time.Minute)
	SetDefaultEventuallyPollingInterval(500 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "whatsapp-operator end to end")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	kubeconfig := os.Getenv("KUBECONFIG")
	Expect(kubeconfig).NotTo(BeEmpty(), "KUBECONFIG must name the cluster to test in; `make e2e` makes one. "+
		"The tests install the operator there, and delete the namespaces that they use.")
	repository, err := filepath.Abs(filepath.Join("..", ".."))
	Expect(err).NotTo(HaveOccurred())
	cluster, err = stage.Open(kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	authority, err = stage.NewAuthority()
	Expect(err).NotTo(HaveOccurred())

	By("clearing what earlier tests left")
	Expect(cluster.Clear(ctx)).To(Succeed())
	for _, namespace := range channelNamespaces {
		Expect(cluster.Namespace(ctx, namespace)).To(Succeed())
	}
	// The suite's own context ends with this function.
	logs = cluster.FollowLogs(context.Background(), append(channelNamespaces, stage.MetaNamespace, stage.OperatorNamespace, stage.ZammadNamespace)...)

	By("starting Meta")
	meta, err = cluster.StartMeta(ctx, authority, world)
	Expect(err).NotTo(HaveOccurred())
	By("installing the operator")
	Expect(cluster.InstallOperator(ctx, repository, authority)).To(Succeed())
	installed = true
}, NodeTimeout(10*time.Minute))

// What the pods have printed is judged at the end, when every secret has been used.
var _ = AfterSuite(func(ctx SpecContext) {
	if logs == nil {
		return
	}
	logs.Stop()
	if installed {
		expectNoLeak(ctx)
	}
}, NodeTimeout(time.Minute))

// A failure comes with what an administrator would look at.
var _ = ReportAfterEach(func(ctx SpecContext, report SpecReport) {
	if !report.Failed() || cluster == nil {
		return
	}
	for _, namespace := range append(channelNamespaces, stage.OperatorNamespace, stage.MetaNamespace, stage.ZammadNamespace) {
		GinkgoWriter.Printf("\n=== namespace %s\n%s", namespace, cluster.Explain(ctx, namespace))
	}
})
