//go:build e2e

// Package e2e tests the product as users have it: installed in a real cluster, with Meta played by the simulator.
package e2e

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage/stagetest"
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
	stagetest.Run(t, "whatsapp-operator end to end", 2*time.Minute)
}

var _ = BeforeSuite(func(ctx SpecContext) {
	cluster, authority = stagetest.Open(ctx, channelNamespaces...)
	// The suite's own context ends with this function.
	logs = cluster.FollowLogs(context.Background(), append(channelNamespaces, stage.MetaNamespace, stage.OperatorNamespace, stage.ZammadNamespace)...)
	meta = stagetest.Begin(ctx, cluster, authority, world)
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
	stagetest.Explain(ctx, report, cluster, append(channelNamespaces, stage.ZammadNamespace)...)
})
