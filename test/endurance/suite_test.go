//go:build reliability

// Package endurance lets what is around the receivers fail in a real cluster, while customers go on writing: the node's
// container runtime, the receivers themselves, the operator, a volume and PostgreSQL. Whatever fails, every message that
// Meta was told is taken is on its ticket once, and the channel's conditions tell what happened and recover.
package endurance

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage/stagetest"
)

const (
	// namespace holds the channels.
	namespace = "endurance"
	// machineNamespace holds what runs the programs of the node's machine, and the channel whose volume they fill.
	machineNamespace = "endurance-machine"
)

var (
	cluster   *stage.Cluster
	meta      *stage.Meta
	authority *stage.Authority
)

func TestEndurance(t *testing.T) {
	stagetest.Run(t, "whatsapp-operator while things fail", 3*time.Minute)
}

var _ = BeforeSuite(func(ctx SpecContext) {
	cluster, authority = stagetest.Open(ctx, namespace, machineNamespace)
	// Only such pods may see files of the node.
	kubectl(ctx, "label", "namespace", machineNamespace, "--overwrite", "pod-security.kubernetes.io/enforce=privileged")
	meta = stagetest.Begin(ctx, cluster, authority, world)
}, NodeTimeout(10*time.Minute))

// A failure comes with what an administrator would look at.
var _ = ReportAfterEach(func(ctx SpecContext, report SpecReport) {
	stagetest.Explain(ctx, report, cluster, namespace, machineNamespace)
})

func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := cluster.Kubectl(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}
