package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// kind's version and the node image that it was released with belong together.
const (
	kindModule = "sigs.k8s.io/kind@v0.33.0"
	kindImage  = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
)

// kindCluster is a cluster in a container, made by kind.
type kindCluster struct{ *cluster }

// kindPossible tells whether a Docker engine answers and has, or can get, the node's image.
func kindPossible(ctx context.Context) error {
	asked, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if _, err := output(asked, "docker", "info"); err != nil {
		return errors.New("no Docker engine answers")
	}
	if _, err := output(ctx, "docker", "image", "inspect", kindImage); err == nil {
		return nil
	}
	progress("pulling %s", kindImage)
	pulled, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	_, err := output(pulled, "docker", "pull", "--quiet", kindImage)
	return err
}

func (k kindCluster) up(ctx context.Context) error {
	if k.ready(ctx) == nil {
		progress("the cluster is up already; use it with\n\n  export KUBECONFIG=%s\n", k.kubeconfig())
		return nil
	}
	if err := k.clear(ctx); err != nil {
		return err
	}
	if err := k.create(); err != nil {
		return err
	}
	if err := k.save(record{Provider: "kind"}); err != nil {
		return err
	}
	if err := k.run(ctx, "create", "cluster", "--name", k.Name, "--image", kindImage, "--kubeconfig", k.kubeconfig(), "--wait", "3m"); err != nil {
		return fmt.Errorf("%w; hack/cluster down removes what is there", err)
	}
	progress("the cluster is up; use it with\n\n  export KUBECONFIG=%s\n", k.kubeconfig())
	return nil
}

// clear removes what is left of our own cluster where it does not answer. One of the same name that we have
// no record of is somebody else's.
func (k kindCluster) clear(ctx context.Context) error {
	r, err := k.record()
	if err != nil {
		return err
	}
	if r.Provider == "kind" {
		return k.run(ctx, "delete", "cluster", "--name", k.Name, "--kubeconfig", k.kubeconfig())
	}
	names, err := output(ctx, "docker", "ps", "--all", "--quiet", "--filter", "label=io.x-k8s.kind.cluster="+k.Name)
	if err == nil && names != "" {
		err = fmt.Errorf("there is a kind cluster %s already that hack/cluster did not make; choose another CLUSTER_NAME", k.Name)
	}
	return err
}

func (k kindCluster) down(ctx context.Context) error {
	if err := k.run(ctx, "delete", "cluster", "--name", k.Name, "--kubeconfig", k.kubeconfig()); err != nil {
		return err
	}
	return k.remove()
}

func (k kindCluster) status(ctx context.Context) error {
	fmt.Fprintf(os.Stdout, "cluster     %s: kind, in the Docker engine\nkubeconfig  %s\n\n", k.Name, k.kubeconfig())
	program, err := k.kubectl(ctx)
	if err != nil {
		return err
	}
	get := exec.CommandContext(ctx, program, "get", "nodes", "--output=wide", "--request-timeout=5s")
	get.Env = kubectlEnvironment(k.kubeconfig())
	get.Stdout, get.Stderr = os.Stdout, os.Stderr
	if err := get.Run(); err != nil {
		return errors.New("the API server does not answer; hack/cluster up makes the cluster anew")
	}
	return k.ready(ctx)
}

// ready tells whether every node takes pods.
func (k kindCluster) ready(ctx context.Context) error {
	if _, err := os.Stat(k.kubeconfig()); err != nil {
		return errNotUp
	}
	program, err := k.kubectl(ctx)
	if err != nil {
		return err
	}
	wait := exec.CommandContext(ctx, program, "wait", "nodes", "--all", "--for=condition=Ready", "--timeout=5s", "--request-timeout=5s")
	wait.Env = kubectlEnvironment(k.kubeconfig())
	if out, err := wait.CombinedOutput(); err != nil {
		return fmt.Errorf("the node is not ready: %s", out)
	}
	return nil
}

func (k kindCluster) load(ctx context.Context, archives []string) error {
	for _, archive := range archives {
		file, err := filepath.Abs(archive)
		if err != nil {
			return err
		}
		if err := k.run(ctx, "load", "image-archive", file, "--name", k.Name); err != nil {
			return err
		}
		progress("loaded %s", archive)
	}
	return nil
}

// kubectl is the installed one; where there is none, it is built.
func (k kindCluster) kubectl(ctx context.Context) (string, error) {
	if installed, err := exec.LookPath("kubectl"); err == nil {
		return installed, nil
	}
	if err := k.builder.build(ctx, []program{kubectl}); err != nil {
		return "", err
	}
	return k.builder.path(kubectl)
}

// run runs kind. KUBECONFIG is not for it: the cluster has a file of its own.
func (k kindCluster) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", kindModule}, args...)...)
	cmd.Env = append(os.Environ(), "GOWORK=off", "KUBECONFIG="+k.kubeconfig())
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("kind %s failed: %w", args[0], err)
	}
	return nil
}
