package manifests

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// Labels with which others are let in.
const (
	// MetricsLabel, with the value "true", is on namespaces whose pods may read the metrics.
	MetricsLabel = "whatsapp-operator.io/metrics"
	// PrivateAPILabel, with the value "true", is on pods, in any namespace, that may call the private API of receivers.
	PrivateAPILabel = "whatsapp-operator.io/private-api"

	operatorName  = "whatsapp-operator"
	allowed       = "true"
	namespaceName = corev1.LabelMetadataName
)

// Ports that are called wherever they are.
const (
	dnsPort      int32 = 53
	httpPort     int32 = 80
	httpsPort    int32 = 443
	postgresPort int32 = 5432
	// apiServerPort is where most API servers listen behind their Service, which offers httpsPort.
	apiServerPort int32 = 6443
	// operatorMetricsPort is the port of the operator's metrics.
	operatorMetricsPort int32 = 8443
)

// Network is what decides, besides the channel, where a receiver may be called from and what it may call.
type Network struct {
	// OperatorNamespace is the operator's own namespace; empty where it runs outside the cluster.
	OperatorNamespace string
	// GraphBaseURL is the base URL of the Graph API.
	GraphBaseURL string
	// Environment are the receiver's variables, such as HTTPS_PROXY.
	Environment map[string]string
	// PostgresDSN is the connection string of the channel's database, if it has one.
	PostgresDSN string
}

// NetworkPolicy lets a receiver be called by those who have to, and call what it needs; nothing else.
func NetworkPolicy(channel *v1alpha1.WhatsAppChannel, n Network) *networkingv1ac.NetworkPolicyApplyConfiguration {
	return networkingv1ac.NetworkPolicy(ReceiverName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithOwnerReferences(owner(channel)).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(selector(channel.Name))).
			WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress).
			WithIngress(
				// Meta calls through load balancers and gateways, whose addresses nobody knows here: the signature protects.
				networkingv1ac.NetworkPolicyIngressRule().WithPorts(tcp(config.PublicPort)...),
				networkingv1ac.NetworkPolicyIngressRule().WithPorts(tcp(config.PrivatePort)...).WithFrom(n.privateCallers()...),
				networkingv1ac.NetworkPolicyIngressRule().WithPorts(tcp(config.HealthPort)...).WithFrom(scrapers()),
			).
			WithEgress(
				networkingv1ac.NetworkPolicyEgressRule().WithPorts(dns()...),
				networkingv1ac.NetworkPolicyEgressRule().WithPorts(tcp(n.called(channel)...)...),
			))
}

// OperatorNetworkPolicy lets the operator be called for its metrics, and call the API server, Meta, the callback URLs and
// the receivers; nothing else.
func OperatorNetworkPolicy(namespace string) *networkingv1ac.NetworkPolicyApplyConfiguration {
	receivers := peer().
		WithNamespaceSelector(metav1ac.LabelSelector()).
		WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{NameLabel: applicationName}))
	return networkingv1ac.NetworkPolicy(operatorName, namespace).
		WithLabels(map[string]string{NameLabel: operatorName}).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(operatorPods())).
			WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress).
			WithIngress(networkingv1ac.NetworkPolicyIngressRule().WithPorts(tcp(operatorMetricsPort)...).WithFrom(scrapers())).
			WithEgress(
				networkingv1ac.NetworkPolicyEgressRule().WithPorts(dns()...),
				networkingv1ac.NetworkPolicyEgressRule().WithPorts(tcp(httpsPort, apiServerPort)...),
				networkingv1ac.NetworkPolicyEgressRule().WithPorts(tcp(config.PrivatePort, config.PublicPort)...).WithTo(receivers),
			))
}

func operatorPods() map[string]string {
	return map[string]string{NameLabel: operatorName, "app.kubernetes.io/component": "manager"}
}

// privateCallers are the operator, and the pods that carry PrivateAPILabel.
func (n Network) privateCallers() []*networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	callers := []*networkingv1ac.NetworkPolicyPeerApplyConfiguration{peer().
		WithNamespaceSelector(metav1ac.LabelSelector()).
		WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{PrivateAPILabel: allowed}))}
	if n.OperatorNamespace == "" {
		return callers
	}
	return append(callers, peer().
		WithNamespaceSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{namespaceName: n.OperatorNamespace})).
		WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(operatorPods())))
}

// scrapers are the pods of the namespaces that carry MetricsLabel.
func scrapers() *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return peer().WithNamespaceSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{MetricsLabel: allowed}))
}

func peer() *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer()
}

// called are the ports that a receiver calls.
func (n Network) called(channel *v1alpha1.WhatsAppChannel) []int32 {
	// Media come from another host of Meta's, always over HTTPS.
	ports := []int32{httpsPort, portOf(n.GraphBaseURL)}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if proxy := n.Environment[name]; proxy != "" {
			ports = append(ports, portOf(proxy))
		}
	}
	if helpdesk := helpdeskURL(channel); helpdesk != "" {
		ports = append(ports, portOf(helpdesk))
	}
	if n.PostgresDSN != "" {
		ports = append(ports, postgresPorts(n.PostgresDSN)...)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// helpdeskURL is the URL of the channel's helpdesk; empty for the built-in inbox.
func helpdeskURL(channel *v1alpha1.WhatsAppChannel) string {
	switch helpdesk := channel.Spec.Helpdesk; {
	case helpdesk.Zammad != nil:
		return helpdesk.Zammad.URL
	case helpdesk.CloudEvents != nil:
		return helpdesk.CloudEvents.URL
	}
	return ""
}

// portOf is the port of a URL; that of its scheme where it names none.
func portOf(text string) int32 {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return httpsPort
	}
	if port, err := strconv.ParseUint(parsed.Port(), 10, 16); err == nil && port > 0 {
		return int32(port)
	}
	if parsed.Scheme == "http" {
		return httpPort
	}
	return httpsPort
}

var (
	// In a URL a port ends its host, of which there may be several; in a list of settings it has a name.
	portInURL      = regexp.MustCompile(`:(\d+)$`)
	portInSettings = regexp.MustCompile(`(?:^|\s)port\s*=\s*'?([\d,]+)`)
	quoted         = regexp.MustCompile(`'(?:[^'\\]|\\.)*'`)
	portInQuery    = regexp.MustCompile(`[?&]port=([\d,]+)`)
)

// postgresPorts are the ports of a connection string of PostgreSQL, in either of its two forms.
func postgresPorts(dsn string) []int32 {
	var texts []string
	_, rest, isURL := strings.Cut(dsn, "://")
	if isURL {
		authority, _, _ := strings.Cut(rest, "/")
		authority, _, _ = strings.Cut(authority, "?")
		hosts := authority[strings.LastIndex(authority, "@")+1:]
		for host := range strings.SplitSeq(hosts, ",") {
			text := ""
			if match := portInURL.FindStringSubmatch(host); match != nil {
				text = match[1]
			}
			texts = append(texts, text)
		}
		if match := portInQuery.FindStringSubmatch(rest); match != nil {
			texts = strings.Split(match[1], ",")
		}
	} else if match := portInSettings.FindStringSubmatch(quoted.ReplaceAllStringFunc(dsn, withoutSpace)); match != nil {
		texts = strings.Split(match[1], ",")
	}
	var ports []int32
	for _, text := range texts {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			port = uint64(postgresPort)
		}
		ports = append(ports, int32(port))
	}
	if len(ports) == 0 {
		ports = []int32{postgresPort}
	}
	return ports
}

// withoutSpace keeps what a quoted value says from being taken for another setting.
func withoutSpace(value string) string { return strings.Join(strings.Fields(value), "") }

func dns() []*networkingv1ac.NetworkPolicyPortApplyConfiguration {
	return append([]*networkingv1ac.NetworkPolicyPortApplyConfiguration{
		networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolUDP).WithPort(intstr.FromInt32(dnsPort)),
	}, tcp(dnsPort)...)
}

func tcp(ports ...int32) []*networkingv1ac.NetworkPolicyPortApplyConfiguration {
	var out []*networkingv1ac.NetworkPolicyPortApplyConfiguration
	for _, port := range ports {
		out = append(out, networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(port)))
	}
	return out
}
