//go:build reliability

package endurance

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

//go:embed postgres.yaml
var postgresManifests string

//go:embed volume.yaml
var volumeManifest string

//go:embed tool.yaml
var toolManifest string

// volumeSize is that of the small volume.
const volumeSize = "64M"

// smallVolume makes a PersistentVolume of the given name that is a file of this machine behind a loop device. It is for
// one claim only.
func smallVolume(ctx context.Context, claim string) {
	GinkgoHelper()
	if os.Getuid() != 0 {
		Skip("a small volume needs root, for a loop device")
	}
	file := filepath.Join(GinkgoT().TempDir(), "volume")
	machine(ctx, "truncate", "--size", volumeSize, file)
	device := machine(ctx, "losetup", "--find", "--show", file)
	DeferCleanup(func(ctx SpecContext) { machine(ctx, "losetup", "--detach", device) })
	node := strings.TrimPrefix(strings.TrimSpace(kubectl(ctx, "get", "nodes", "-o", "name")), "node/")
	apply(ctx, volumeManifest, "CLAIM", claim, "NAMESPACE", machineNamespace, "DEVICE", device, "NODE", node)
	DeferCleanup(func(ctx SpecContext) {
		kubectl(ctx, "delete", "persistentvolume", claim, "--ignore-not-found", "--wait=false")
	})
}

// onVolume runs a program of the node's machine in a pod that has the claim at /data, and returns how it ended.
func onVolume(ctx context.Context, name, claim, command string) corev1.PodPhase {
	GinkgoHelper()
	apply(ctx, toolManifest, "NAMESPACE", machineNamespace, "NAME", name, "CLAIM", claim, "COMMAND", command)
	defer kubectl(ctx, "delete", "pod", name, "--namespace", machineNamespace, "--wait=false")
	var ended corev1.PodPhase
	Eventually(func() (corev1.PodPhase, error) {
		phase, err := cluster.Kubectl(ctx, "get", "pod", name, "--namespace", machineNamespace, "-o", "jsonpath={.status.phase}")
		ended = corev1.PodPhase(phase)
		return ended, err
	}).WithContext(ctx).Should(BeElementOf(corev1.PodSucceeded, corev1.PodFailed))
	return ended
}

// apply applies manifests in which words in capitals stand for values. A word that begins with another comes first.
func apply(ctx context.Context, manifests string, values ...string) {
	GinkgoHelper()
	for i := 0; i < len(values); i += 2 {
		values[i] = "$" + values[i]
	}
	_, err := cluster.KubectlInput(ctx, strings.NewReplacer(values...).Replace(manifests), "apply", "--server-side", "-f", "-")
	Expect(err).NotTo(HaveOccurred())
}

// machine runs a program on this machine.
func machine(ctx context.Context, name string, args ...string) string {
	GinkgoHelper()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s %v: %s", name, args, out)
	return strings.TrimSpace(string(out))
}
