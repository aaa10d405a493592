package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// A network divides the cluster's subnet, a /16 of private addresses.
type network struct {
	Subnet     netip.Prefix
	Node       netip.Addr // The node, where every component listens.
	Machine    netip.Addr // The machine's end of the link to the node.
	Pods       netip.Prefix
	Services   netip.Prefix
	APIService netip.Addr // The Service "kubernetes".
	DNS        netip.Addr
}

const defaultSubnet = "10.249.0.0/16"

func newNetwork(subnet string) (network, error) {
	prefix, err := netip.ParsePrefix(subnet)
	if err != nil || prefix.Bits() != 16 || !prefix.Addr().IsPrivate() || !prefix.Addr().Is4() {
		return network{}, fmt.Errorf("CLUSTER_SUBNET %q must be a private IPv4 subnet /16, such as %s", subnet, defaultSubnet)
	}
	base := prefix.Masked().Addr().As4()
	address := func(c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{base[0], base[1], c, d}) }
	return network{
		Subnet:     prefix.Masked(),
		Node:       address(0, 1),
		Machine:    address(0, 2),
		Pods:       netip.PrefixFrom(address(16, 0), 20),
		Services:   netip.PrefixFrom(address(128, 0), 20),
		APIService: address(128, 1),
		DNS:        address(128, 10),
	}, nil
}

// checkFree tells whether the machine's addresses leave the subnet to the cluster.
func (n network) checkFree() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue // The interface went away meanwhile.
		}
		for _, address := range addresses {
			prefix, err := netip.ParsePrefix(address.String())
			if err == nil && prefix.Overlaps(n.Subnet) {
				return fmt.Errorf("%s has the address %s inside the cluster's subnet %s; name another in CLUSTER_SUBNET", i.Name, prefix, n.Subnet)
			}
		}
	}
	routes, err := output(context.Background(), "ip", "-4", "route", "show")
	if err != nil {
		return err
	}
	for route := range strings.Lines(routes) {
		destination, _, _ := strings.Cut(route, " ")
		prefix, err := netip.ParsePrefix(destination)
		if err == nil && prefix.Overlaps(n.Subnet) {
			return fmt.Errorf("there is a route to %s, inside the cluster's subnet %s; name another in CLUSTER_SUBNET", prefix, n.Subnet)
		}
	}
	return nil
}

// A link joins the machine's network with the node's: a pair of virtual interfaces, a route, and, for
// what pods send out, address translation in a table of its own.
type link struct {
	network network
	device  string // The machine's end. The node's end is eth0.
	table   string // In nftables, of the family ip.
}

// tablePrefix begins the names of the tables of all clusters.
const tablePrefix = "whatsapp_operator_"

func newLink(name string, n network) link {
	sum := sha256.Sum256([]byte(name))
	return link{network: n, device: fmt.Sprintf("wa-%x", sum[:4]), table: tablePrefix + strings.ReplaceAll(name, "-", "_")}
}

// connect joins the network of the process to the machine's. The link goes away with the process.
func (l link) connect(ctx context.Context, pid int, forwardingWas string) error {
	inNode := func(args ...string) []string {
		return append([]string{"nsenter", "--target", strconv.Itoa(pid), "--net", "ip"}, args...)
	}
	mtu := strconv.Itoa(machineMTU())
	for _, command := range [][]string{
		{"ip", "link", "add", l.device, "mtu", mtu, "type", "veth", "peer", "name", "eth0", "mtu", mtu, "netns", strconv.Itoa(pid)},
		{"ip", "address", "add", l.network.Machine.String() + "/30", "dev", l.device},
		{"ip", "link", "set", l.device, "up"},
		inNode("link", "set", "lo", "up"),
		inNode("address", "add", l.network.Node.String()+"/30", "dev", "eth0"),
		inNode("link", "set", "eth0", "up"),
		inNode("route", "add", "default", "via", l.network.Machine.String()),
		{"ip", "route", "add", l.network.Subnet.String(), "via", l.network.Node.String(), "dev", l.device},
	} {
		if _, err := output(ctx, command[0], command[1:]...); err != nil {
			return err
		}
	}
	return l.translate(ctx, forwardingWas)
}

// translate lets the cluster reach what the machine reaches. The table's comment tells the next cluster
// what the last one to go has to restore.
func (l link) translate(ctx context.Context, forwardingWas string) error {
	rules := fmt.Sprintf(`
		table ip %[1]s
		delete table ip %[1]s
		table ip %[1]s {
			comment "%[3]s%[4]s"
			chain postrouting {
				type nat hook postrouting priority srcnat
				ip saddr %[2]s ip daddr != %[2]s masquerade
			}
		}`, l.table, l.network.Subnet, forwardingNote, forwardingWas)
	nft := exec.CommandContext(ctx, "nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, bytes.TrimSpace(out))
	}
	return os.WriteFile(forwardingFile, []byte("1"), 0o644)
}

// disconnect removes what connect left in the machine's network.
func (l link) disconnect(ctx context.Context, forwardingWas string) error {
	// The kernel takes the pair away some time after its node's end; whoever comes first is right.
	if _, err := net.InterfaceByName(l.device); err == nil {
		if _, err := output(ctx, "ip", "link", "delete", l.device); err != nil {
			if _, still := net.InterfaceByName(l.device); still == nil {
				return err
			}
		}
	}
	tables, err := output(ctx, "nft", "list", "tables", "ip")
	if err != nil {
		return err
	}
	if rest := strings.Replace(tables, "table ip "+l.table+"\n", "", 1); rest != tables {
		tables = rest
		if _, err := output(ctx, "nft", "delete", "table", "ip", l.table); err != nil {
			return err
		}
	}
	if forwardingWas == "0" && !strings.Contains(tables, "table ip "+tablePrefix) {
		return os.WriteFile(forwardingFile, []byte("0"), 0o644)
	}
	return nil
}

const (
	forwardingFile = "/proc/sys/net/ipv4/ip_forward"
	forwardingNote = "ip_forward was "
)

// forwardingBefore is what the machine's ip_forward was before the first cluster came.
func forwardingBefore(ctx context.Context) (string, error) {
	rules, err := output(ctx, "nft", "list", "ruleset", "ip")
	if err != nil {
		return "", err
	}
	if _, noted, found := strings.Cut(rules, forwardingNote); found {
		return noted[:1], nil
	}
	text, err := os.ReadFile(forwardingFile)
	return strings.TrimSpace(string(text)), err
}

// machineMTU is the smallest of the machine's interfaces, so that pods send no packet that does not fit.
func machineMTU() int {
	smallest := 1500
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 && i.MTU >= 1280 {
			smallest = min(smallest, i.MTU)
		}
	}
	return smallest
}

// output runs a command and gives what it printed; its error has what the command said.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
