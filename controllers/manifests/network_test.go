package manifests

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const operatorNamespace = "whatsapp-operator-system"

// policyOf is what is sent to the API server, as that reads it.
func policyOf(t *testing.T, declared any) *networkingv1.NetworkPolicy {
	t.Helper()
	encoded, err := yaml.Marshal(declared)
	if err != nil {
		t.Fatal(err)
	}
	policy := &networkingv1.NetworkPolicy{}
	if err := yaml.UnmarshalStrict(encoded, policy); err != nil {
		t.Fatal(err)
	}
	return policy
}

// party is a pod, or with nothing but an address something outside the cluster.
type party struct {
	namespace string
	// namespaceLabels and podLabels are nil for what is outside the cluster.
	namespaceLabels, podLabels labels.Set
}

var (
	outside  = party{}
	operator = party{namespace: operatorNamespace, namespaceLabels: labels.Set{}, podLabels: labels.Set{NameLabel: "whatsapp-operator", "app.kubernetes.io/component": "manager"}}
	neighbor = party{namespace: "helpdesk", namespaceLabels: labels.Set{}, podLabels: labels.Set{"app": "web"}}
	agents   = party{namespace: "zammad", namespaceLabels: labels.Set{}, podLabels: labels.Set{PrivateAPILabel: "true"}}
	scraper  = party{namespace: "monitoring", namespaceLabels: labels.Set{MetricsLabel: "true"}, podLabels: labels.Set{"app": "prometheus"}}
	impostor = party{namespace: "helpdesk", namespaceLabels: labels.Set{}, podLabels: operator.podLabels}
	receiver = party{namespace: "sales", namespaceLabels: labels.Set{}, podLabels: labels.Set(Labels("sales"))}
)

func (p party) matches(t *testing.T, peer networkingv1.NetworkPolicyPeer, own string) bool {
	t.Helper()
	if peer.IPBlock != nil {
		t.Fatal("no rule names addresses")
	}
	if p.podLabels == nil {
		return false
	}
	selects := func(s *metav1.LabelSelector, set labels.Set) bool {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		return selector.Matches(set)
	}
	inNamespace := p.namespace == own
	if peer.NamespaceSelector != nil {
		set := labels.Merge(p.namespaceLabels, labels.Set{"kubernetes.io/metadata.name": p.namespace})
		inNamespace = selects(peer.NamespaceSelector, set)
	}
	return inNamespace && (peer.PodSelector == nil || selects(peer.PodSelector, p.podLabels))
}

// allows decides as a network plugin does: a rule allows what matches both its ports and its peers, and no peers are all.
func allows(t *testing.T, p party, own string, protocol string, port int32, ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) bool {
	t.Helper()
	onPort := slices.ContainsFunc(ports, func(allowed networkingv1.NetworkPolicyPort) bool {
		return string(*allowed.Protocol) == protocol && allowed.Port.IntVal == port
	})
	return onPort && (len(peers) == 0 || slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool { return p.matches(t, peer, own) }))
}

func mayCall(t *testing.T, policy *networkingv1.NetworkPolicy, from party, port int32) bool {
	t.Helper()
	return slices.ContainsFunc(policy.Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
		return allows(t, from, policy.Namespace, "TCP", port, rule.Ports, rule.From)
	})
}

func mayReach(t *testing.T, policy *networkingv1.NetworkPolicy, to party, protocol string, port int32) bool {
	t.Helper()
	return slices.ContainsFunc(policy.Spec.Egress, func(rule networkingv1.NetworkPolicyEgressRule) bool {
		return allows(t, to, policy.Namespace, protocol, port, rule.Ports, rule.To)
	})
}

func TestWhoMayCallAReceiver(t *testing.T) {
	policy := policyOf(t, NetworkPolicy(channel(), Network{OperatorNamespace: operatorNamespace, GraphBaseURL: "https://graph.example.com"}))
	if want := []networkingv1.PolicyType{"Ingress", "Egress"}; !slices.Equal(policy.Spec.PolicyTypes, want) {
		t.Errorf("the policy is one for %v", policy.Spec.PolicyTypes)
	}
	callers := map[string]party{
		"outside": outside, "operator": operator, "neighbor": neighbor, "agents": agents, "scraper": scraper, "impostor": impostor,
	}
	want := map[int32][]string{
		config.PublicPort:  {"agents", "impostor", "neighbor", "operator", "outside", "scraper"},
		config.PrivatePort: {"agents", "operator"},
		config.HealthPort:  {"scraper"},
		8080:               nil,
	}
	for port, allowed := range want {
		var got []string
		for name, caller := range callers {
			if mayCall(t, policy, caller, port) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(allowed, got); diff != "" {
			t.Errorf("port %d may be called by (-want +got):\n%s", port, diff)
		}
	}
}

// namedPorts are the ports that the rules for calls name, in their order.
func namedPorts(policy *networkingv1.NetworkPolicy) (ports []int32) {
	for _, rule := range policy.Spec.Egress {
		for _, port := range rule.Ports {
			ports = append(ports, port.Port.IntVal)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

func TestWhatAReceiverMayCall(t *testing.T) {
	for name, tc := range map[string]struct {
		network Network
		want    string
		change  []func(*v1alpha1.WhatsAppChannel)
	}{
		"Zammad": {Network{GraphBaseURL: "https://graph.facebook.com"}, "443 3000", []func(*v1alpha1.WhatsAppChannel){func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Helpdesk.Zammad = &v1alpha1.ZammadHelpdesk{URL: "http://zammad.helpdesk.svc:3000"}
		}}},
		"CloudEvents": {Network{GraphBaseURL: "https://graph.facebook.com"}, "80 443", []func(*v1alpha1.WhatsAppChannel){func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Helpdesk.CloudEvents = &v1alpha1.CloudEventsHelpdesk{URL: "http://events.example.com/whatsapp"}
		}}},
		"Meta":                       {Network{GraphBaseURL: "https://graph.facebook.com"}, "443", nil},
		"a Graph API elsewhere":      {Network{GraphBaseURL: "https://meta.meta.svc:9443"}, "443 9443", nil},
		"through a proxy":            {Network{GraphBaseURL: "https://graph.facebook.com", Environment: map[string]string{"HTTPS_PROXY": "http://proxy.example.com:3128"}}, "443 3128", nil},
		"through a proxy without":    {Network{GraphBaseURL: "https://graph.facebook.com", Environment: map[string]string{"HTTP_PROXY": "proxy.example.com"}}, "80 443", nil},
		"PostgreSQL":                 {Network{GraphBaseURL: "https://graph.facebook.com", PostgresDSN: "postgres://user:p%40ss@db/wa"}, "443 5432", nil},
		"PostgreSQL on another port": {Network{GraphBaseURL: "https://graph.facebook.com", PostgresDSN: "postgres://user:pass@db:6432/wa?sslmode=require"}, "443 6432", nil},
		"two PostgreSQL servers":     {Network{GraphBaseURL: "https://graph.facebook.com", PostgresDSN: "postgres://db1:6432,db2/wa"}, "443 5432 6432", nil},
		"an IPv6 address":            {Network{GraphBaseURL: "https://graph.facebook.com", PostgresDSN: "postgres://[2001:db8::1]:6432/wa"}, "443 6432", nil},
		"settings":                   {Network{GraphBaseURL: "https://graph.facebook.com", PostgresDSN: "host=db password='a port=1' port = 6432"}, "443 6432", nil},
		"settings without a port":    {Network{GraphBaseURL: "https://graph.facebook.com", PostgresDSN: "host=db user=wa"}, "443 5432", nil},
		"a port in the query":        {Network{GraphBaseURL: "https://graph.facebook.com", PostgresDSN: "postgres:///wa?host=db&port=6432"}, "443 6432", nil},
	} {
		t.Run(name, func(t *testing.T) {
			policy := policyOf(t, NetworkPolicy(channel(tc.change...), tc.network))
			var got []string
			for _, port := range append(namedPorts(policy), 1, 22, 8080) {
				if mayReach(t, policy, outside, "TCP", port) && port != 53 {
					got = append(got, fmt.Sprint(port))
				}
				if mayReach(t, policy, outside, "UDP", port) != (port == 53) {
					t.Errorf("UDP port %d", port)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("the receiver may call the ports %v, not %s", got, tc.want)
			}
			if !mayReach(t, policy, neighbor, "TCP", 53) {
				t.Error("names cannot be looked up over TCP")
			}
		})
	}
}

func TestTheOperatorsOwnPolicy(t *testing.T) {
	declared := OperatorNetworkPolicy(operatorNamespace)
	policy := policyOf(t, declared)
	for name, reach := range map[string]struct {
		to   party
		port int32
		want bool
	}{
		"the API server's Service": {outside, 443, true},
		"the API server":           {outside, 6443, true},
		"a receiver's private API": {receiver, config.PrivatePort, true},
		"a receiver's callback":    {receiver, config.PublicPort, true},
		"a receiver's health":      {receiver, config.HealthPort, false},
		"others on the same port":  {neighbor, config.PrivatePort, false},
		"a database":               {outside, 5432, false},
	} {
		if got := mayReach(t, policy, reach.to, "TCP", reach.port); got != reach.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !mayCall(t, policy, scraper, 8443) || mayCall(t, policy, neighbor, 8443) || mayCall(t, policy, scraper, 8081) {
		t.Error("the metrics are open to others than scrapers, or not to them")
	}
	document, err := yaml.Marshal(declared)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "..", "config", "network-policy", "operator.yaml"), string(document))
}
