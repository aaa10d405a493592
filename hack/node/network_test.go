package main

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNetworkDividesTheSubnet(t *testing.T) {
	n, err := newNetwork("172.20.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []netip.Prefix{n.Pods, n.Services} {
		if !n.Subnet.Overlaps(part) || part.Contains(n.Node) || part.Contains(n.Machine) {
			t.Errorf("%s is not a part of %s beside the node", part, n.Subnet)
		}
	}
	if n.Pods.Overlaps(n.Services) {
		t.Errorf("pods %s and Services %s overlap", n.Pods, n.Services)
	}
	for _, service := range []netip.Addr{n.APIService, n.DNS} {
		if !n.Services.Contains(service) {
			t.Errorf("%s is not among the Services %s", service, n.Services)
		}
	}
	// The API server gives the first address of the range to the Service "kubernetes".
	if want := n.Services.Addr().Next(); n.APIService != want {
		t.Errorf("the API server's Service is %s, not %s", n.APIService, want)
	}
}

func TestNetworkRefusesWhatIsNotAPrivateSubnetOfItsSize(t *testing.T) {
	for _, subnet := range []string{"", "10.0.0.0", "10.0.0.0/8", "10.1.2.0/24", "8.8.0.0/16", "fd00::/16", "nonsense"} {
		if n, err := newNetwork(subnet); err == nil {
			t.Errorf("%q was taken as %s", subnet, n.Subnet)
		} else if !strings.Contains(err.Error(), "CLUSTER_SUBNET") {
			t.Errorf("%q: the error does not tell what to change: %v", subnet, err)
		}
	}
}

func TestNetworkSeesThatItsSubnetIsTaken(t *testing.T) {
	loopback := network{Subnet: netip.MustParsePrefix("127.0.0.0/16")}
	if err := loopback.checkFree(); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("127.0.0.1 was overlooked: %v", err)
	}
}

func TestLinksOfTwoClustersDiffer(t *testing.T) {
	one, other := newLink("one", network{}), newLink("another-name-that-is-as-long-as-allowed", network{})
	if one.device == other.device || one.table == other.table {
		t.Errorf("%+v and %+v share something", one, other)
	}
	if len(other.device) > 15 {
		t.Errorf("%q is too long for an interface", other.device)
	}
}

func TestNameserversAreThoseThatPodsReach(t *testing.T) {
	got := parseNameservers("# comment\nsearch example.com\nnameserver 127.0.0.53\nnameserver 192.0.2.7\nnameserver fe80::1\nnameserver\noptions edns0\n")
	if len(got) != 1 || got[0] != "192.0.2.7" {
		t.Errorf("got %v", got)
	}
}
