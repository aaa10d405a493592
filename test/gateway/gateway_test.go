//go:build e2e

// Package gateway tests the ways in that others end TLS for, HTTPRoute and Ingress, behind a real gateway.
package gateway

import (
	"context"
	_ "embed"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage/stagetest"
)

const (
	namespace        = "helpdesk"
	gatewayNamespace = "gateways"
	// Both names are those of Services of Traefik, which everybody in the cluster can resolve.
	routeHostname   = "traefik.gateways.svc.cluster.local"
	ingressHostname = "ingress.gateways.svc.cluster.local"

	appID, appSecret = "670843887433847", "5b1d0c7e9a3f4826b7c1d2e3f4a50617"
	token            = "EAAgateway1a2b3c4d5e6f708192a3b4c5d6e7f8091a"
	accountID        = "102290129340398"
	customerPhone    = "+1 202-555-0144"
)

//go:embed gateway.yaml
var gatewayManifests string

var (
	cluster   *stage.Cluster
	meta      *stage.Meta
	authority *stage.Authority
)

func TestGateway(t *testing.T) {
	stagetest.Run(t, "whatsapp-operator behind a gateway", 2*time.Minute)
}

var _ = BeforeSuite(func(ctx SpecContext) {
	cluster, authority = stagetest.Open(ctx, namespace, gatewayNamespace)
	// The Gateway API is not there yet.
	meta = stagetest.Begin(ctx, cluster, authority, stage.Seed{
		Apps:             []stage.App{{ID: appID, Name: "Gateway", Secret: appSecret}},
		BusinessAccounts: []stage.BusinessAccount{{ID: accountID, Name: "Gateway"}},
		PhoneNumbers: []stage.PhoneNumber{
			{ID: "106540352242921", BusinessAccountID: accountID, DisplayPhoneNumber: "+1 631-555-3331", VerifiedName: "Routed"},
			{ID: "106540352242922", BusinessAccountID: accountID, DisplayPhoneNumber: "+1 631-555-3332", VerifiedName: "Ingressed"},
		},
		Tokens: []stage.Token{{Value: token, AppID: appID}},
	})
	Expect(cluster.ChannelSecret(ctx, namespace, "whatsapp", map[string]string{"access-token": token, "app-secret": appSecret})).To(Succeed())
	Expect(cluster.TLSSecret(ctx, authority, gatewayNamespace, "public-tls", routeHostname)).To(Succeed())
	Expect(cluster.TLSSecret(ctx, authority, namespace, "ingress-tls", ingressHostname)).To(Succeed())
}, NodeTimeout(10*time.Minute))

// A failure comes with what an administrator would look at.
var _ = ReportAfterEach(func(ctx SpecContext, report SpecReport) {
	stagetest.Explain(ctx, report, cluster, namespace, gatewayNamespace)
})

var _ = Describe("Behind a gateway", Ordered, func() {
	It("says that the Gateway API is missing", func(ctx SpecContext) {
		kubectl(ctx, "apply", "-f", "testdata/routed.yaml")
		expectCondition(ctx, "routed", v1alpha1.ConditionReady, v1alpha1.ReasonGatewayAPIMissing)
	}, SpecTimeout(4*time.Minute))

	It("notices the Gateway API, and says that the listener does not allow the route", func(ctx SpecContext) {
		module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
		Expect(err).NotTo(HaveOccurred())
		kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(strings.TrimSpace(string(module)), "config", "crd"))
		kubectl(ctx, "wait", "--for=condition=Established", "--timeout=1m", "crd/gateways.gateway.networking.k8s.io")
		_, err = cluster.KubectlInput(ctx, gatewayManifests, "apply", "--server-side", "-f", "-")
		Expect(err).NotTo(HaveOccurred())
		kubectl(ctx, "rollout", "status", "--namespace", gatewayNamespace, "deployment/traefik", "--timeout=3m")
		message := expectCondition(ctx, "routed", v1alpha1.ConditionCallbackReachable, v1alpha1.ReasonRouteNotAccepted)
		Expect(message).To(ContainSubstring("allowedRoutes.namespaces"))
	}, SpecTimeout(6*time.Minute))

	It("carries a message through an HTTPRoute once the listener allows it", func(ctx SpecContext) {
		kubectl(ctx, "patch", "gateway", "public", "--namespace", gatewayNamespace, "--type=json",
			`--patch=[{"op":"replace","path":"/spec/listeners/0/allowedRoutes/namespaces/from","value":"All"}]`)
		expectMessageArrives(ctx, "routed", "106540352242921", "Does the route lead anywhere?")
	}, SpecTimeout(6*time.Minute))

	It("carries a message through an Ingress over TLS", func(ctx SpecContext) {
		kubectl(ctx, "apply", "-f", "testdata/ingressed.yaml")
		expectMessageArrives(ctx, "ingressed", "106540352242922", "Does the Ingress lead anywhere?")
	}, SpecTimeout(6*time.Minute))

	It("changes from one way in to the other", func(ctx SpecContext) {
		Expect(cluster.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: gatewayNamespace, Name: "public-tls"}})).To(Succeed())
		Expect(cluster.TLSSecret(ctx, authority, namespace, "routed-tls", routeHostname)).To(Succeed())
		kubectl(ctx, "patch", "wac", "routed", "--namespace", namespace, "--type=json",
			`--patch=[{"op":"replace","path":"/spec/callback/exposure","value":{"ingress":{"className":"traefik","tlsSecretName":"routed-tls"}}}]`)
		Eventually(func() (string, error) {
			return cluster.Kubectl(ctx, "get", "httproutes,ingresses", "--namespace", namespace, "--output=name")
		}).WithContext(ctx).Should(Equal("ingress.networking.k8s.io/ingressed-callback\ningress.networking.k8s.io/routed-callback\n"))
		expectMessageArrives(ctx, "routed", "106540352242921", "And now through the Ingress?")
	}, SpecTimeout(4*time.Minute))
})

// expectMessageArrives waits until the channel is ready, and until a message that is sent then is a ticket.
func expectMessageArrives(ctx context.Context, channel, phoneNumberID, text string) {
	GinkgoHelper()
	expectCondition(ctx, channel, v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	Expect(meta.CustomerWrites(ctx, customerPhone, "Erika Mustermann", phoneNumberID, text)).To(Succeed())
	Eventually(func(g Gomega) {
		tickets, err := cluster.Inbox(namespace, channel).Tickets(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(tickets).NotTo(BeEmpty())
		g.Expect(tickets[0].Article("customer", text)).NotTo(BeNil())
	}).WithContext(ctx).Should(Succeed())
}

// expectCondition waits for a condition's reason, and returns its message.
func expectCondition(ctx context.Context, name, conditionType, reason string) string {
	GinkgoHelper()
	var found metav1.Condition
	Eventually(func(g Gomega) {
		var err error
		found, err = cluster.Condition(ctx, client.ObjectKey{Namespace: namespace, Name: name}, conditionType)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found.Reason).To(Equal(reason), found.Message)
	}).WithTimeout(4 * time.Minute).WithContext(ctx).Should(Succeed())
	return found.Message
}

func kubectl(ctx context.Context, args ...string) {
	GinkgoHelper()
	_, err := cluster.Kubectl(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
}
