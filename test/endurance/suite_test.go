//go:build reliability

// Package endurance lets what is around the receivers fail in a real cluster, while customers go on writing: the node's
// container runtime, the receivers themselves, the operator, a volume and PostgreSQL. Whatever fails, every message that
// Meta was told is taken is on its ticket once, and the channel's conditions tell what happened and recover.
package endurance

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

const (
	// namespace holds the channels.
	namespace = "endurance"
	// machineNamespace holds what runs the programs of the node's machine, and the channel whose volume they fill.
	machineNamespace = "endurance-machine"
)

var (
	cluster    *stage.Cluster
	meta       *stage.Meta
	authority  *stage.Authority
	repository string
)

func TestEndurance(t *testing.T) {
	RegisterFailHandler(Fail)
	log.SetLogger(GinkgoLogr)
	SetDefaultEventuallyTimeout(3 * time.Minute)
	SetDefaultEventuallyPollingInterval(time.Second)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "whatsapp-operator while things fail")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	kubeconfig := os.Getenv("KUBECONFIG")
	Expect(kubeconfig).NotTo(BeEmpty(), "KUBECONFIG must name the cluster to test in; `make reliability-cluster` makes one")
	var err error
	repository, err = filepath.Abs(filepath.Join("..", ".."))
	Expect(err).NotTo(HaveOccurred())
	cluster, err = stage.Open(kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	authority, err = stage.NewAuthority()
	Expect(err).NotTo(HaveOccurred())
	Expect(cluster.Clear(ctx)).To(Succeed())
	for _, name := range []string{namespace, machineNamespace} {
		Expect(cluster.Namespace(ctx, name)).To(Succeed())
	}
	// Only such pods may see files of the node.
	kubectl(ctx, "label", "namespace", machineNamespace, "--overwrite", "pod-security.kubernetes.io/enforce=privileged")
	meta, err = cluster.StartMeta(ctx, authority, world)
	Expect(err).NotTo(HaveOccurred())
	Expect(cluster.InstallOperator(ctx, repository, authority)).To(Succeed())
}, NodeTimeout(10*time.Minute))

// A failure comes with what an administrator would look at.
var _ = ReportAfterEach(func(ctx SpecContext, report SpecReport) {
	if !report.Failed() || cluster == nil {
		return
	}
	for _, name := range []string{namespace, machineNamespace, stage.OperatorNamespace, stage.MetaNamespace} {
		GinkgoWriter.Printf("\n=== namespace %s\n%s", name, cluster.Explain(ctx, name))
	}
})

func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := cluster.Kubectl(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}
