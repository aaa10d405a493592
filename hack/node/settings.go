package main

import (
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
)

//go:embed config
var configs embed.FS

// settings are what the files below config/ are filled in with.
type settings struct {
	Name             string
	Cgroup           string
	Network          network
	PauseImage       string
	CoreDNSImage     string
	ProvisionerImage string
	PluginDir        string
	Snapshotter      string
	MTU              int
	Nameservers      []string
}

func (n *node) settings() settings {
	return settings{
		Name:             n.Name,
		Cgroup:           n.cgroup(),
		Network:          n.Network,
		PauseImage:       n.image(pause),
		CoreDNSImage:     n.image(coreDNS),
		ProvisionerImage: n.image(provisioner),
		PluginDir:        pluginDir(),
		Snapshotter:      snapshotter(n.dir),
		MTU:              machineMTU(),
		Nameservers:      nameservers(),
	}
}

// image names the image of a program. The tag tells the build, so that a new one is a new image.
func (n *node) image(p program) string {
	return "whatsapp-operator.local/" + p.name + ":" + filepath.Base(filepath.Dir(n.Programs[p.name]))
}

// render fills in one of the files below config/.
func (n *node) render(name string) (string, error) {
	parsed, err := template.ParseFS(configs, "config/"+name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := parsed.Option("missingkey=error").Execute(&out, n.settings()); err != nil {
		return "", fmt.Errorf("config/%s: %w", name, err)
	}
	return out.String(), nil
}

// writeSettings writes the components' configuration into the cluster's folder.
func (n *node) writeSettings() error {
	for _, dir := range []string{"config/cni", "log", "var"} {
		if err := os.MkdirAll(n.path(dir), 0o755); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{
		"containerd.toml": "config/containerd.toml",
		"cni.conflist":    "config/cni/10-pods.conflist",
		"kubelet.yaml":    "config/kubelet.yaml",
		"kube-proxy.yaml": "config/kube-proxy.yaml",
	} {
		text, err := n.render(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(n.path(target), []byte(text), 0o644); err != nil {
			return err
		}
	}
	var resolver strings.Builder
	for _, server := range nameservers() {
		fmt.Fprintf(&resolver, "nameserver %s\n", server)
	}
	if err := os.WriteFile(n.path("config/resolv.conf"), []byte(resolver.String()), 0o644); err != nil {
		return err
	}
	return n.writePlan()
}

// nameservers are the machine's that a pod can reach as well: none on a loopback address.
func nameservers() []string {
	// systemd-resolved listens on a loopback address and keeps the true ones here.
	for _, file := range []string{"/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if servers := parseNameservers(string(text)); len(servers) > 0 {
			return servers
		}
	}
	return nil
}

func parseNameservers(text string) []string {
	var servers []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		address, err := netip.ParseAddr(fields[1])
		if err == nil && !address.IsLoopback() && address.Is4() {
			servers = append(servers, address.String())
		}
	}
	return servers
}

// snapshotter is how containerd lays image layers on each other: the kernel does not stack overlayfs on itself.
func snapshotter(dir string) string {
	const overlayMagic = 0x794c7630
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err == nil && s.Type == overlayMagic {
		return "native"
	}
	return "overlayfs"
}
