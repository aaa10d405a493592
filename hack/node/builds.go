package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// A module is a folder whose programs the node runs: Go modules below build/, so that what they require
// stays out of everybody else's.
type module struct {
	name     string // Its folder.
	upstream string // The module whose version names what is built.
	ldflags  string // May contain {version}.
}

// A program is built from source, once for every version, and kept in the cache.
type program struct {
	name   string
	module *module
	pkg    string
	cold   string // About how long the first build takes on two cores.
}

var (
	kubernetes = &module{
		name: "build/kubernetes", upstream: "k8s.io/kubernetes",
		// Without a version kubectl cannot parse what the server says of itself.
		ldflags: "-s -w -X k8s.io/component-base/version.gitVersion={version}",
	}
	etcd        = &module{name: "build/etcd", upstream: "go.etcd.io/etcd/server/v3", ldflags: "-s -w"}
	addons      = &module{name: "build/addons", upstream: "github.com/coredns/coredns", ldflags: "-s -w"}
	gateway     = &module{name: "build/gateway", upstream: "github.com/traefik/traefik/v3", ldflags: "-s -w"}
	pauseModule = &module{name: "pause", ldflags: "-s -w"} // A folder of this program's own module.

	apiServer         = program{"kube-apiserver", kubernetes, "k8s.io/kubernetes/cmd/kube-apiserver", "7 minutes"}
	kubectl           = program{"kubectl", kubernetes, "k8s.io/kubernetes/cmd/kubectl", "1 minute"}
	controllerManager = program{"kube-controller-manager", kubernetes, "k8s.io/kubernetes/cmd/kube-controller-manager", "2 minutes"}
	scheduler         = program{"kube-scheduler", kubernetes, "k8s.io/kubernetes/cmd/kube-scheduler", "1 minute"}
	kubelet           = program{"kubelet", kubernetes, "k8s.io/kubernetes/cmd/kubelet", "2 minutes"}
	kubeProxy         = program{"kube-proxy", kubernetes, "k8s.io/kubernetes/cmd/kube-proxy", "30 seconds"}
	etcdServer        = program{"etcd", etcd, "go.etcd.io/etcd/server/v3", "1 minute"}
	coreDNS           = program{"coredns", addons, "./coredns", "2 minutes"}
	provisioner       = program{"provisioner", addons, "./provisioner", "30 seconds"}
	pause             = program{"pause", pauseModule, ".", "5 seconds"}
	traefik           = program{"traefik", gateway, "github.com/traefik/traefik/v3/cmd/traefik", "7 minutes"}

	envtestPrograms = []program{etcdServer, apiServer, kubectl}
	nodePrograms    = []program{
		etcdServer, apiServer, kubectl, controllerManager, scheduler, kubelet, kubeProxy, coreDNS, provisioner, pause,
	}
)

// A builder builds programs into the cache and knows where they are.
type builder struct {
	source string // The folder of this program's own source, hack/node.
	cache  string
}

// version is the version of what the module builds, read from its go.mod so that it is written in one place.
func (b builder) version(m *module) (string, error) {
	if m.upstream == "" {
		return "own", nil
	}
	file := filepath.Join(b.source, m.name, "go.mod")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(m.upstream) + ` (v\S+)`).FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("%s does not require %s", file, m.upstream)
	}
	return string(found[1]), nil
}

// dir is where the module's programs are kept: its name tells the version, and everything that decides
// what a build gives, so that a change never meets an old binary.
func (b builder) dir(m *module) (string, error) {
	version, err := b.version(m)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, m.ldflags, goVersion(), runtime.GOOS, runtime.GOARCH)
	for _, pattern := range []string{"go.*", "*.go", "*/*.go"} {
		files, err := filepath.Glob(filepath.Join(b.source, m.name, pattern))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(hash, "%s %d %s", filepath.Base(file), len(text), text)
		}
	}
	return filepath.Join(b.cache, fmt.Sprintf("%s-%s-%x", filepath.Base(m.name), version, hash.Sum(nil)[:5])), nil
}

func goVersion() string {
	version, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return runtime.Version()
	}
	return strings.TrimSpace(string(version))
}

// path is where the program is once it is built.
func (b builder) path(p program) (string, error) {
	dir, err := b.dir(p.module)
	return filepath.Join(dir, p.name), err
}

// missing are those programs that are not in the cache yet.
func (b builder) missing(programs []program) ([]program, error) {
	var missing []program
	for _, p := range programs {
		path, err := b.path(p)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

// build puts those programs that are missing into the cache.
func (b builder) build(ctx context.Context, programs []program) error {
	missing, err := b.missing(programs)
	if err != nil || len(missing) == 0 {
		return err
	}
	unlock, err := lock(ctx, filepath.Join(b.cache, "build.lock"), "another build to end")
	if err != nil {
		return err
	}
	defer unlock()
	if missing, err = b.missing(programs); err != nil {
		return err
	}
	for i, p := range missing {
		if err := b.compile(ctx, p, fmt.Sprintf("%d of %d", i+1, len(missing))); err != nil {
			return err
		}
	}
	return nil
}

// compile builds one program beside its place and moves it there when it is whole.
func (b builder) compile(ctx context.Context, p program, count string) error {
	version, err := b.version(p.module)
	if err != nil {
		return err
	}
	target, err := b.path(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	partial := target + ".partial"
	defer os.Remove(partial)

	progress("building %s %s (%s; about %s the first time)", p.name, version, count, p.cold)
	ldflags := strings.ReplaceAll(p.module.ldflags, "{version}", version)
	build := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-ldflags", ldflags, "-o", partial, p.pkg)
	build.Dir = filepath.Join(b.source, p.module.name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if err := runBuild(build, p.name); err != nil {
		return fmt.Errorf("building %s failed: %w", p.name, err)
	}
	return os.Rename(partial, target)
}

// runBuild runs go build and says every 20 seconds how far it is.
func runBuild(build *exec.Cmd, name string) error {
	stderr, err := build.StderrPipe()
	if err != nil {
		return err
	}
	if err := build.Start(); err != nil {
		return err
	}
	var packages atomic.Int64
	done := make(chan struct{})
	go func() {
		start := time.Now()
		tick := time.NewTicker(20 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				progress("  %s: %d packages compiled, %s", name, packages.Load(), time.Since(start).Round(time.Second))
			case <-done:
				return
			}
		}
	}()
	// go build -v prints one import path a line; whatever has a blank in it is a message.
	var messages []string
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), " ") {
			messages = append(messages, lines.Text())
		} else {
			packages.Add(1)
		}
	}
	err = build.Wait()
	close(done)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(messages[max(0, len(messages)-30):], "\n"))
	}
	return nil
}
