//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/whatsapp-operator/whatsapp-operator/plugin/command"
)

var _ = Describe("kubectl whatsapp", Ordered, ContinueOnFailure, func() {
	var (
		claims *line
		folder string
		clara  = customer{"+1 202-555-0147", "Clara Musterfrau"}
	)

	// whatsapp runs the plugin as a user does, and expects how it ends.
	whatsapp := func(ctx context.Context, code int, args ...string) *gexec.Session {
		GinkgoHelper()
		cmd := exec.CommandContext(ctx, cluster.KubectlPath(), append([]string{"whatsapp", "-n", "plugin"}, args...)...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig, "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
		session, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		// The commands have timeouts of their own.
		Eventually(session).WithContext(ctx).WithTimeout(4 * time.Minute).Should(gexec.Exit(code))
		return session
	}

	BeforeAll(func(ctx SpecContext) {
		folder = GinkgoT().TempDir()
		build := exec.CommandContext(ctx, "go", "build", "-o", folder, "../../cmd/kubectl-whatsapp")
		out, err := build.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Expect(os.WriteFile(filepath.Join(folder, "ca.crt"), authority.PEM, 0o600)).To(Succeed())
		claims = prepare(ctx, "plugin")
		claims.apply(ctx)
	}, NodeTimeout(5*time.Minute))

	It("follows the set-up of a channel, and says how it is", func(ctx SpecContext) {
		setup := whatsapp(ctx, command.ExitDone, "setup", "claims", "--wait", "--timeout", "3m")
		Expect(setup.Out).To(gbytes.Say("Meta calls this channel"))
		claims.expectReady(ctx)
		status := whatsapp(ctx, command.ExitDone, "status", "claims")
		AddReportEntry("kubectl whatsapp status", string(status.Out.Contents()))
		Expect(status.Out).To(gbytes.Say("plugin/claims is ready."))
		Expect(status.Out).To(gbytes.Say("Last handshake"), "the receiver itself was asked")
		Expect(whatsapp(ctx, command.ExitDone, "status").Out).To(gbytes.Say(`claims +yes +Ready`))
	}, SpecTimeout(5*time.Minute))

	It("sends a test message and follows it to its ticket", func(ctx SpecContext) {
		sent := whatsapp(ctx, command.ExitDone, "send-test", "claims", "--direct", "--ca-file", filepath.Join(folder, "ca.crt"))
		Expect(sent.Out).To(gbytes.Say("the message is on the ticket claims/1"))
		Expect(whatsapp(ctx, command.ExitDone, "show", "claims/1").Out).To(gbytes.Say("No customer wrote it"))
		Expect(whatsapp(ctx, command.ExitDone, "close", "claims/1").Out).To(gbytes.Say("claims/1 is closed"))
		untrusted := whatsapp(ctx, command.ExitFailed, "send-test", "claims", "--direct")
		Expect(untrusted.Err).To(gbytes.Say("stuck at the step TLS"))
	}, SpecTimeout(3*time.Minute))

	It("lets an agent read and answer a customer", func(ctx SpecContext) {
		claims.customerWrites(ctx, clara, "My marmalade arrived broken.")
		claims.ticket(ctx, "My marmalade arrived broken.")
		Expect(whatsapp(ctx, command.ExitDone, "tickets", "claims", "--state", "open", "-o", "name").Out).To(gbytes.Say(`^claims/2\n$`))
		Expect(whatsapp(ctx, command.ExitDone, "tickets").Out).To(gbytes.Say("Clara Musterfrau"))
		Expect(whatsapp(ctx, command.ExitDone, "show", "2").Out).To(gbytes.Say("My marmalade arrived broken."))
		const reply = "A new marmalade is on its way."
		Expect(whatsapp(ctx, command.ExitDone, "reply", "2", reply, "--key", "claim", "--wait").Out).To(gbytes.Say("is (delivered|read)"))
		whatsapp(ctx, command.ExitDone, "reply", "2", reply, "--key", "claim")
		expectReceived(ctx, clara, welcome, reply)
		Expect(whatsapp(ctx, command.ExitDone, "close", "2").Out).To(gbytes.Say("claims/2 is closed"))
		whatsapp(ctx, command.ExitDone, "dead-letters", "claims")
	}, SpecTimeout(4*time.Minute))

	It("has another verify token made", func(ctx SpecContext) {
		before, err := cluster.SecretValue(ctx, "plugin", "claims-verify-token", "verify-token")
		Expect(err).NotTo(HaveOccurred())
		whatsapp(ctx, command.ExitDone, "rotate-verify-token", "claims")
		Expect(cluster.SecretValue(ctx, "plugin", "claims-verify-token", "verify-token")).NotTo(Equal(before))
		claims.expectReady(ctx)
	}, SpecTimeout(4*time.Minute))
})
