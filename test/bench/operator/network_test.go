//go:build bench

package operator

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// doorAddress is where callback URLs and receivers are, in a network that is this process's alone. The operator calls no
// loopback address, because Meta could not either.
const doorAddress = "192.0.2.1"

// secluded tells whether this process has a network of its own, in which nothing is set up yet: nothing may be changed
// in another.
func secluded() bool {
	interfaces, err := net.Interfaces()
	return err == nil && len(interfaces) == 1 && interfaces[0].Flags&(net.FlagLoopback|net.FlagUp) == net.FlagLoopback
}

// furnish sets the network up. A proxy for the Internet has no way into it.
func furnish() error {
	for _, variable := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		for _, name := range []string{variable, strings.ToLower(variable)} {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return errors.Join(ip("link", "set", "lo", "up"), ip("address", "add", doorAddress+"/32", "dev", "lo"))
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// nameServers gives this process, and those that it starts, the names that the cluster's DNS and the world's would know.
func nameServers(dir string, channels []*v1alpha1.WhatsAppChannel) error {
	var hosts strings.Builder
	fmt.Fprintln(&hosts, "127.0.0.1 localhost")
	fmt.Fprintln(&hosts, doorAddress, callbackHostname)
	for _, channel := range channels {
		fmt.Fprintln(&hosts, doorAddress, manifests.ReceiverHost(channel.Namespace, channel.Name))
	}
	file := filepath.Join(dir, "hosts")
	if err := os.WriteFile(file, []byte(hosts.String()), 0o644); err != nil {
		return err
	}
	return unix.Mount(file, "/etc/hosts", "", unix.MS_BIND, "")
}
