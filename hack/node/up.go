package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// up makes the node, or what is missing of it: every step leaves alone what is there already.
func (n *node) up(ctx context.Context) error {
	begin := time.Now()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errors.New("without a Docker engine the cluster needs Linux and root: start Docker, or run this as root")
	}
	if err := installRequirements(ctx); err != nil {
		return err
	}
	r, err := n.record()
	if err != nil {
		return err
	}
	if !r.Supervisor.alive() {
		if err := n.builder.build(ctx, nodePrograms); err != nil {
			return err
		}
		if r, err = n.start(ctx, r); err != nil {
			return err
		}
	}
	if err := n.complete(ctx, r); err != nil {
		return err
	}
	if err := n.settle(ctx); err != nil {
		return err
	}
	progress("the cluster is up after %s; use it with\n\n  export KUBECONFIG=%s\n", time.Since(begin).Round(time.Second), n.kubeconfig())
	if proxied(n.apiServerURL()) {
		progress("your environment's proxy has no way to the cluster: add %s to NO_PROXY", n.Network.Subnet)
	}
	return nil
}

// start starts the node's first process, on the state that an earlier one may have left.
func (n *node) start(ctx context.Context, r record) (record, error) {
	if err := n.locatePrograms(); err != nil {
		return r, err
	}
	if err := n.clean(ctx, r); err != nil {
		return r, err
	}
	if err := n.Network.checkFree(); err != nil {
		return r, err
	}
	if err := n.create(); err != nil {
		return r, err
	}
	r = record{Provider: "node", Subnet: n.Network.Subnet.String()}
	var err error
	if r.ForwardingWas, err = forwardingBefore(ctx); err != nil {
		return r, err
	}
	if err := n.save(r); err != nil {
		return r, err
	}
	if err := n.issuePKI(); err != nil {
		return r, err
	}
	if err := n.writeSettings(); err != nil {
		return r, err
	}
	progress("starting the node")
	return n.startSupervisor(ctx, r)
}

// startSupervisor starts the first process and lets it go on when the rest of the machine is ready for it.
func (n *node) startSupervisor(ctx context.Context, r record) (record, error) {
	output, err := os.OpenFile(n.supervisorLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return r, err
	}
	defer output.Close()
	waiting, start, err := os.Pipe()
	if err != nil {
		return r, err
	}
	defer waiting.Close()
	defer start.Close()
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	supervisor := exec.Command(self, "supervise", n.dir, n.builder.cache)
	supervisor.Dir = "/"
	supervisor.Stdout, supervisor.Stderr = output, output
	supervisor.ExtraFiles = []*os.File{waiting}
	supervisor.SysProcAttr = &syscall.SysProcAttr{Cloneflags: nodeNamespaces, Setsid: true}
	if err := supervisor.Start(); err != nil {
		return r, fmt.Errorf("starting the node's first process: %w", err)
	}
	go supervisor.Wait() //nolint:errcheck // Its end is seen in its log; here it only must not stay a zombie.

	// From here on down finds it.
	if r.Supervisor, err = identify(supervisor.Process.Pid); err != nil {
		return r, n.failed("the node's first process ended", "supervisor")
	}
	if err := n.save(r); err != nil {
		return r, err
	}
	if err := createCgroups(n.cgroup(), r.Supervisor.PID); err != nil {
		return r, err
	}
	if err := n.link().connect(ctx, r.Supervisor.PID, r.ForwardingWas); err != nil {
		return r, err
	}
	if _, err := start.Write([]byte{1}); err != nil {
		return r, n.failed("the node's first process ended", "supervisor")
	}
	return r, nil
}

// complete waits for the components, and puts into the cluster what belongs there.
func (n *node) complete(ctx context.Context, r record) error {
	planned, err := plannedNode(n.dir, n.builder.cache)
	if err != nil {
		return err
	}
	n.Programs = planned.Programs
	view := n.outsideView(r)
	for _, c := range n.components() {
		if err := n.await(ctx, r, c, view); err != nil {
			return err
		}
		if c.name == "containerd" {
			// The API server takes its time meanwhile.
			if err := n.loadOwnImages(ctx, view); err != nil {
				return err
			}
		}
		if c.name == "kube-apiserver" {
			if err := n.applyAddons(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle waits until the node takes pods and the add-ons work.
func (n *node) settle(ctx context.Context) error {
	progress("waiting for the node, DNS and storage")
	for _, wait := range [][]string{
		{"wait", "node/" + n.Name, "--for=create", "--timeout=60s"},
		{"wait", "node/" + n.Name, "--for=condition=Ready", "--timeout=120s"},
		{"rollout", "status", "--namespace=kube-system", "deployment/coredns", "--timeout=120s"},
		{"rollout", "status", "--namespace=kube-system", "deployment/provisioner", "--timeout=120s"},
	} {
		if _, err := n.runKubectl(ctx, "", wait...); err != nil {
			return n.failed(err.Error(), "kubelet")
		}
	}
	// What the API server says of pods may be from before a restart; an answer is not.
	var err error
	if !poll(ctx, time.Minute, func() bool { err = n.dnsAnswers(ctx); return err == nil }) {
		return fmt.Errorf("the cluster's DNS does not answer: %w", err)
	}
	return nil
}

// dnsAnswers asks the cluster's DNS, through its Service, for a Service.
func (n *node) dnsAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(n.Network.DNS.String(), "53"))
	}}
	const name = "kubernetes.default.svc.cluster.local."
	addresses, err := resolver.LookupHost(ctx, name)
	if err == nil && !slices.Equal(addresses, []string{n.Network.APIService.String()}) {
		err = fmt.Errorf("%s is %v instead of %s", name, addresses, n.Network.APIService)
	}
	return err
}

// await waits until the component is healthy.
func (n *node) await(ctx context.Context, r record, c component, v view) error {
	const limit = 2 * time.Minute
	var err error
	if poll(ctx, limit, func() bool {
		err = c.healthy(ctx, v)
		return err == nil || !r.Supervisor.alive()
	}) && err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !r.Supervisor.alive() {
		return n.failed("the node's first process ended", "supervisor")
	}
	return n.failed(fmt.Sprintf("%s is not healthy after %s (%v)", c.name, limit, err), c.name)
}

// failed is an error with the end of the log that tells why, and what to do.
func (n *node) failed(what, log string) error {
	file := n.path("log", log+".log")
	return fmt.Errorf("%s; the end of %s:\n%s\nhack/cluster down removes what is there", what, file, tail(file, 15))
}

func (n *node) supervisorLog() string { return n.path("log", "supervisor.log") }

// outsideView is the machine's view into the node.
func (n *node) outsideView(r record) view {
	return view{root: fmt.Sprintf("/proc/%d/root", r.Supervisor.PID), dir: n.dir}
}

func (n *node) applyAddons(ctx context.Context) error {
	var manifests []string
	for _, name := range []string{"dns.yaml", "storage.yaml"} {
		text, err := n.render(name)
		if err != nil {
			return err
		}
		manifests = append(manifests, text)
	}
	_, err := n.runKubectl(ctx, strings.Join(manifests, "\n---\n"), "apply", "--server-side", "--force-conflicts", "--filename=-")
	return err
}

func (n *node) kubectl(ctx context.Context) (string, error) {
	if err := n.builder.build(ctx, []program{kubectl}); err != nil {
		return "", err
	}
	return n.builder.path(kubectl)
}

// runKubectl runs kubectl as the cluster's administrator.
func (n *node) runKubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	program, err := n.kubectl(ctx)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = kubectlEnvironment(n.kubeconfig())
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// kubectlEnvironment is the environment with the kubeconfig, kubectl's cache beside it so that down takes both,
// and without a proxy: none has a way to the cluster.
func kubectlEnvironment(kubeconfig string) []string {
	cache := filepath.Join(filepath.Dir(kubeconfig), "kubectl-cache")
	return append(os.Environ(), "KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+cache, "NO_PROXY=*", "no_proxy=*")
}

// proxied tells whether the environment sends what is for the address to a proxy.
func proxied(address string) bool {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(request)
	return err == nil && proxy != nil
}
