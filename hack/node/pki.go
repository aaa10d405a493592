package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// issuePKI makes the cluster's authorities and keys where they are missing, and issues every certificate
// and kubeconfig anew. Three authorities, so that a certificate of one kind is no pass to another: the
// cluster, etcd, and the API server in front of aggregated ones.
func (n *node) issuePKI() error {
	dir := n.path("pki")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	clusterCA, err := openAuthority(dir, "ca")
	if err != nil {
		return err
	}
	etcdCA, err := openAuthority(dir, "etcd-ca")
	if err != nil {
		return err
	}
	frontProxyCA, err := openAuthority(dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := openSigningKey(dir, "service-account"); err != nil {
		return err
	}
	address := n.Network.Node.String()
	for _, issue := range []func() error{
		func() error { return etcdCA.issueServer("etcd-server", address) },
		func() error { return etcdCA.issueClient("etcd-client", "kube-apiserver") },
		func() error { return frontProxyCA.issueClient("front-proxy-client", "front-proxy-client") },
		func() error {
			return clusterCA.issueServer("kube-apiserver", address, n.Network.APIService.String(), n.Name,
				"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
		},
		func() error { return clusterCA.issueServer("kubelet-server", address, n.Name) },
		func() error { return clusterCA.issueServer("control-plane", address) },
		func() error {
			return clusterCA.issueClient("kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
		},
	} {
		if err := issue(); err != nil {
			return err
		}
	}
	for _, client := range []struct {
		name, user string
		groups     []string
	}{
		{"admin", "kubernetes-admin", []string{"system:masters"}},
		{"kube-controller-manager", "system:kube-controller-manager", nil},
		{"kube-scheduler", "system:kube-scheduler", nil},
		{"kube-proxy", "system:kube-proxy", nil},
		{"kubelet", "system:node:" + n.Name, []string{"system:nodes"}},
	} {
		if err := clusterCA.issueClient(client.name, client.user, client.groups...); err != nil {
			return err
		}
		if err := n.writeKubeconfig(client.name, n.path("pki", client.name+".kubeconfig")); err != nil {
			return err
		}
	}
	return n.writeKubeconfig("admin", n.kubeconfig())
}

// writeKubeconfig writes a kubeconfig, complete in itself, for the client certificate of that name.
func (n *node) writeKubeconfig(client, file string) error {
	var contents [3][]byte
	for i, name := range []string{"ca.crt", client + ".crt", client + ".key"} {
		content, err := os.ReadFile(n.path("pki", name))
		if err != nil {
			return err
		}
		contents[i] = content
	}
	type entry map[string]any
	// JSON is YAML, and byte slices become base64 by themselves.
	text, err := json.MarshalIndent(entry{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []entry{{"name": n.Name, "cluster": entry{
			"server": n.apiServerURL(), "certificate-authority-data": contents[0],
		}}},
		"users": []entry{{"name": client, "user": entry{
			"client-certificate-data": contents[1], "client-key-data": contents[2],
		}}},
		"contexts":        []entry{{"name": n.Name, "context": entry{"cluster": n.Name, "user": client}}},
		"current-context": n.Name,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

// httpClient speaks with a component: it trusts the authority and shows the client certificate.
// dir is the folder with the certificates.
func httpClient(dir, authority, client string) (*http.Client, error) {
	ca, err := os.ReadFile(filepath.Join(dir, authority+".crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s.crt in %s is damaged", authority, dir)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, client+".crt"), filepath.Join(dir, client+".key"))
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: 3 * time.Second,
		// No proxy of the environment has a way to the node.
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
		},
	}, nil
}
