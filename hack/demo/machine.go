package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
)

// The demo's cluster has a name and addresses of its own, so that it disturbs neither the one for tests nor any other.
const (
	clusterName   = "whatsapp-operator-demo"
	clusterSubnet = "10.248.0.0/16"
)

// machine is where the demo runs: it builds, and has one cluster.
type machine struct {
	console    *console
	repository string
}

// environment is what hack/cluster is told.
func (m *machine) environment() []string {
	environment := []string{"CLUSTER_NAME=" + clusterName}
	if os.Getenv("CLUSTER_SUBNET") == "" {
		environment = append(environment, "CLUSTER_SUBNET="+clusterSubnet)
	}
	return environment
}

// run runs a program of the repository and shows what it says.
func (m *machine) run(ctx context.Context, name string, args ...string) error {
	return m.console.run(ctx, m.repository, m.environment(), name, args...)
}

// ask runs a program of the repository and returns what it prints. What it says besides is shown.
func (m *machine) ask(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = m.repository
	cmd.Env = append(os.Environ(), m.environment()...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// images builds the images from the working tree and returns their archives.
func (m *machine) images(ctx context.Context) ([]string, error) {
	if _, err := exec.LookPath("make"); err != nil {
		return nil, fmt.Errorf("make is not installed or not in PATH; install it with your system's packages")
	}
	if err := m.run(ctx, "make", "--no-print-directory", "--silent", "image"); err != nil {
		return nil, err
	}
	archives, err := filepath.Glob(filepath.Join(m.repository, "dist", "*.tar"))
	if err == nil && len(archives) == 0 {
		err = fmt.Errorf("make image left no archive in %s", filepath.Join(m.repository, "dist"))
	}
	return archives, err
}

// cluster makes the demo's cluster, or what is missing of it, and connects to it.
func (m *machine) cluster(ctx context.Context) (*stage.Cluster, error) {
	if err := m.run(ctx, "hack/cluster", "up"); err != nil {
		return nil, err
	}
	kubeconfig, err := m.ask(ctx, "hack/cluster", "kubeconfig")
	if err != nil {
		return nil, err
	}
	// The kubectl of the cluster's own version lies with the API server.
	assets, err := m.ask(ctx, "hack/envtest")
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"KUBEBUILDER_ASSETS": assets,
		// A proxy for the Internet has no way to a cluster on this machine.
		"NO_PROXY": "*", "no_proxy": "*",
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return stage.Open(kubeconfig)
}

// load puts images into the cluster, where no registry is asked for them.
func (m *machine) load(ctx context.Context, archives []string) error {
	return m.run(ctx, "hack/cluster", append([]string{"load"}, archives...)...)
}

// down removes the cluster. What was built stays for the next time; make clean removes that.
func (m *machine) down(ctx context.Context) error {
	m.console.step("Removing the demo's cluster")
	if err := m.run(ctx, "hack/cluster", "down"); err != nil {
		return err
	}
	m.console.say("it is gone, and its kubeconfig with it; what was built stays in dist and in the cache, and makes the next demo faster")
	return nil
}
