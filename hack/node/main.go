// Command node makes a Kubernetes cluster for development and tests, and the binaries for envtest.
// It is called as hack/cluster, hack/envtest and hack/traefik.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

const usage = `A Kubernetes cluster for development and tests.

  hack/cluster up               make the cluster, or what is missing of it
  hack/cluster down             remove it without a trace
  hack/cluster status           show it; exit code 0 only if it is up
  hack/cluster load IMAGE.tar…  load images from archives (docker save, OCI)
  hack/cluster kubeconfig       print the path of its kubeconfig
  hack/cluster kubectl ARG…     run kubectl against it
  hack/cluster restart PROGRAM  end a program of the node, such as containerd, and wait until it is back

With a Docker engine it is a kind cluster. Without, on Linux as root, it is a single node whose programs
are built from source, which takes about 15 minutes the first time.

  CLUSTER_PROVIDER  kind or node, instead of finding out
  CLUSTER_NAME      its name (` + defaultName + `)
  CLUSTER_DIR       its folder (~/.local/state/whatsapp-operator/<name>)
  CLUSTER_SUBNET    the node's subnet, a private /16 (` + defaultSubnet + `)
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted; the same command goes on from here, and hack/cluster down removes what is there")
	}
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func run(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == "supervise" {
		return runSupervisor(args[1], args[2])
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	b := builder{source: os.Getenv("NODE_SOURCE"), cache: filepath.Join(cache, "whatsapp-operator")}
	switch {
	case len(args) == 1 && args[0] == "envtest":
		assets, err := envtestAssets(ctx, b)
		if err == nil {
			fmt.Fprintln(os.Stdout, assets)
		}
		return err
	case len(args) == 1 && args[0] == "traefik":
		if err := b.build(ctx, []program{traefik}); err != nil {
			return err
		}
		path, err := b.path(traefik)
		if err == nil {
			fmt.Fprintln(os.Stdout, path)
		}
		return err
	case len(args) > 1 && args[0] == "cluster":
		c, err := newCluster(b)
		if err != nil {
			return err
		}
		return c.run(ctx, args[1], args[2:])
	}
	return errUsage
}

// run does what hack/cluster is asked for.
func (c *cluster) run(ctx context.Context, verb string, args []string) error {
	if !argumentsFit(verb, len(args)) {
		return errUsage
	}
	switch verb {
	case "kubeconfig":
		fmt.Fprintln(os.Stdout, c.kubeconfig())
		return nil
	case "help":
		fmt.Fprint(os.Stdout, usage)
		return nil
	case "up", "down":
		unlock, err := c.lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
	}
	p, err := c.provider(ctx, verb == "up")
	if err != nil {
		return err
	}
	switch verb {
	case "up":
		return p.up(ctx)
	case "down":
		return p.down(ctx)
	case "status":
		return p.status(ctx)
	case "load":
		return p.load(ctx, args)
	case "restart":
		return p.restart(ctx, args[0])
	case "kubectl":
		program, err := p.kubectl(ctx)
		if err != nil {
			return err
		}
		return syscall.Exec(program, append([]string{"kubectl"}, args...), kubectlEnvironment(c.kubeconfig()))
	}
	return errUsage
}

func argumentsFit(verb string, count int) bool {
	switch verb {
	case "load":
		return count > 0
	case "restart":
		return count == 1
	case "kubectl":
		return true
	}
	return count == 0
}

// provider is the one that made the cluster. Where there is none, it is the one to make it.
func (c *cluster) provider(ctx context.Context, mayMake bool) (provider, error) {
	r, err := c.record()
	if err != nil {
		return nil, err
	}
	name := r.Provider
	if name == "" {
		if !mayMake {
			return absent{}, nil
		}
		if name = os.Getenv("CLUSTER_PROVIDER"); name == "" {
			name = "kind"
			if err := kindPossible(ctx); err != nil {
				progress("not a kind cluster: %v; a node of this machine's own", err)
				name = "node"
			}
		}
	}
	switch name {
	case "kind":
		return kindCluster{c}, nil
	case "node":
		return newNode(c, r)
	}
	return nil, fmt.Errorf("CLUSTER_PROVIDER %q is neither kind nor node", name)
}

// absent is the provider of a cluster that does not exist.
type absent struct{}

func (absent) up(context.Context) error                { return errNotUp }
func (absent) down(context.Context) error              { return nil }
func (absent) status(context.Context) error            { return errNotUp }
func (absent) load(context.Context, []string) error    { return errNotUp }
func (absent) kubectl(context.Context) (string, error) { return "", errNotUp }

// runSupervisor is the node's first process; it reads its start from the file that up left open for it.
func runSupervisor(dir, cache string) error {
	log.SetFlags(log.LstdFlags | log.LUTC)
	n, err := plannedNode(dir, cache)
	if err != nil {
		return err
	}
	return supervise(n, os.NewFile(3, "start"))
}
