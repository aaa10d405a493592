package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// A component is one of the programs that make the node.
type component struct {
	name    string
	program program // What is built; containerd, which is not, comes from PATH.
	args    []string
	needs   []string // Components that are healthy before this one starts.
	healthy func(context.Context, view) error
}

// A view is where the node's files are seen from: inside, or from the machine.
type view struct {
	root string // The node's root folder.
	dir  string // The cluster's folder.
}

var insideView = view{root: "/", dir: nodeDir}

func pki(name string) string { return filepath.Join(nodeDir, "pki", name) }

// components are the node's components, in the order of their start.
func (n *node) components() []component {
	return []component{n.containerd(), n.etcd(), n.apiServer(), n.controllerManager(), n.scheduler(), n.kubelet(), n.kubeProxy()}
}

func (n *node) containerd() component {
	return component{
		name: "containerd",
		args: []string{"--config", nodeDir + "/config/containerd.toml"},
		healthy: func(ctx context.Context, v view) error {
			connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", v.containerdSocket())
			if err == nil {
				err = connection.Close()
			}
			return err
		},
	}
}

func (v view) containerdSocket() string {
	return filepath.Join(v.root, "run/containerd/containerd.sock")
}

func (n *node) etcd() component {
	client, peer := n.url("https", 2379), n.url("https", 2380)
	return component{
		name: "etcd", program: etcdServer,
		args: []string{
			"--name=" + n.Name, "--data-dir=" + nodeDir + "/etcd",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=" + n.Name + "=" + peer,
			"--client-cert-auth", "--trusted-ca-file=" + pki("etcd-ca.crt"),
			"--cert-file=" + pki("etcd-server.crt"), "--key-file=" + pki("etcd-server.key"),
			"--peer-client-cert-auth", "--peer-trusted-ca-file=" + pki("etcd-ca.crt"),
			"--peer-cert-file=" + pki("etcd-server.crt"), "--peer-key-file=" + pki("etcd-server.key"),
			"--log-level=warn",
		},
		healthy: get(client+"/health", "etcd-ca", "etcd-client"),
	}
}

func (n *node) apiServer() component {
	address := n.Network.Node.String()
	return component{
		name: "kube-apiserver", program: apiServer, needs: []string{"etcd"},
		args: []string{
			"--bind-address=" + address, "--advertise-address=" + address, "--secure-port=6443",
			"--tls-cert-file=" + pki("kube-apiserver.crt"), "--tls-private-key-file=" + pki("kube-apiserver.key"),
			"--etcd-servers=" + n.url("https", 2379), "--etcd-cafile=" + pki("etcd-ca.crt"),
			"--etcd-certfile=" + pki("etcd-client.crt"), "--etcd-keyfile=" + pki("etcd-client.key"),
			"--client-ca-file=" + pki("ca.crt"), "--anonymous-auth=false",
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
			"--kubelet-certificate-authority=" + pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
			"--kubelet-client-certificate=" + pki("kubelet-client.crt"), "--kubelet-client-key=" + pki("kubelet-client.key"),
			"--service-cluster-ip-range=" + n.Network.Services.String(),
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + pki("service-account.pub"), "--service-account-signing-key-file=" + pki("service-account.key"),
			"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-username-headers=X-Remote-User",
			"--proxy-client-cert-file=" + pki("front-proxy-client.crt"), "--proxy-client-key-file=" + pki("front-proxy-client.key"),
			"--profiling=false",
		},
		healthy: get(n.apiServerURL()+"/readyz", "ca", "admin"),
	}
}

func (n *node) controllerManager() component {
	args := append(n.controlPlaneArgs("kube-controller-manager"),
		"--use-service-account-credentials", "--service-account-private-key-file="+pki("service-account.key"),
		"--root-ca-file="+pki("ca.crt"), "--cluster-signing-cert-file="+pki("ca.crt"), "--cluster-signing-key-file="+pki("ca.key"),
		"--service-cluster-ip-range="+n.Network.Services.String(),
		"--flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins")
	return component{
		name: "kube-controller-manager", program: controllerManager, needs: []string{"kube-apiserver"}, args: args,
		healthy: get(n.url("https", 10257)+"/healthz", "ca", "admin"),
	}
}

func (n *node) scheduler() component {
	return component{
		name: "kube-scheduler", program: scheduler, needs: []string{"kube-apiserver"}, args: n.controlPlaneArgs("kube-scheduler"),
		healthy: get(n.url("https", 10259)+"/healthz", "ca", "admin"),
	}
}

// controlPlaneArgs are what the controller manager and the scheduler have in common. There is one of each,
// so they elect nobody.
func (n *node) controlPlaneArgs(name string) []string {
	kubeconfig := pki(name + ".kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=" + n.Network.Node.String(), "--client-ca-file=" + pki("ca.crt"),
		"--tls-cert-file=" + pki("control-plane.crt"), "--tls-private-key-file=" + pki("control-plane.key"),
		"--leader-elect=false", "--profiling=false",
	}
}

func (n *node) kubelet() component {
	return component{
		name: "kubelet", program: kubelet, needs: []string{"containerd", "kube-apiserver"},
		args: []string{
			"--config=" + nodeDir + "/config/kubelet.yaml", "--kubeconfig=" + pki("kubelet.kubeconfig"),
			"--hostname-override=" + n.Name, "--node-ip=" + n.Network.Node.String(),
		},
		healthy: get(n.url("https", 10250)+"/healthz", "ca", "admin"),
	}
}

func (n *node) kubeProxy() component {
	return component{
		name: "kube-proxy", program: kubeProxy, needs: []string{"kube-apiserver"},
		args:    []string{"--config=" + nodeDir + "/config/kube-proxy.yaml"},
		healthy: get(n.url("http", 10256)+"/livez", "ca", "admin"),
	}
}

func (n *node) url(scheme string, port int) string {
	return fmt.Sprintf("%s://%s:%d", scheme, n.Network.Node, port)
}

func (n *node) apiServerURL() string { return n.url("https", 6443) }

// get is healthy where the address answers 200 to the client certificate.
func get(url, authority, client string) func(context.Context, view) error {
	return func(ctx context.Context, v view) error {
		c, err := httpClient(filepath.Join(v.dir, "pki"), authority, client)
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := c.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			said, _ := io.ReadAll(io.LimitReader(response.Body, 16<<10))
			return fmt.Errorf("%s: %s", response.Status, failedChecks(string(said)))
		}
		return nil
	}
}

// failedChecks picks what failed out of a health report, in which a line stands for a check.
func failedChecks(report string) string {
	var failed []string
	for line := range strings.Lines(report) {
		if check, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]"); ok {
			failed = append(failed, check)
		}
	}
	if len(failed) == 0 {
		first, _, _ := strings.Cut(strings.TrimSpace(report), "\n")
		return first
	}
	return strings.Join(failed, ", ")
}
