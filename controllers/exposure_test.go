package controllers_test

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

func byHTTPRoute(c *v1alpha1.WhatsAppChannel) {
	c.Spec.Callback.Exposure = v1alpha1.Exposure{HTTPRoute: &v1alpha1.HTTPRouteExposure{
		ParentRefs: []v1alpha1.GatewayReference{{Name: "public", Namespace: "gateways"}},
	}}
}

func byIngress(annotations map[string]string) func(*v1alpha1.WhatsAppChannel) {
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Callback.Exposure = v1alpha1.Exposure{Ingress: &v1alpha1.IngressExposure{
			ClassName: "traefik", TLSSecretName: "wa-tls", Annotations: annotations,
		}}
	}
}

var _ = Describe("The way in by Ingress", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	It("leads the channel's path of the hostname to the receiver, and goes when it is not wanted any more", func() {
		channel := f.createReady(byIngress(map[string]string{"lb.example.com/scheme": "public"}))
		ingress := &networkingv1.Ingress{}
		f.get("support-callback", ingress)
		Expect(metav1.IsControlledBy(ingress, channel)).To(BeTrue())
		Expect(ingress.Annotations).To(HaveKeyWithValue("lb.example.com/scheme", "public"))
		Expect(ingress.Spec.Rules).To(ConsistOf(And(HaveField("Host", publicHostname),
			HaveField("HTTP.Paths", ConsistOf(HaveField("Path", "/"+f.namespace+"/support"))))))

		By("following the hostname")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = otherHostname })
		Eventually(func() string {
			f.get("support-callback", ingress)
			return ingress.Spec.Rules[0].Host + " " + ingress.Spec.TLS[0].Hosts[0]
		}).Should(Equal(otherHostname + " " + otherHostname))

		By("changing to a Service, which has the same name")
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.Exposure = v1alpha1.Exposure{Service: &v1alpha1.ServiceExposure{Type: corev1.ServiceTypeClusterIP, TLSSecretName: "wa-tls"}}
		})
		Eventually(f.absent("support-callback", &networkingv1.Ingress{})).Should(BeTrue())
		f.get("support-callback", &corev1.Service{})
	})

	It("carries only annotations that the operator allows", func() {
		channel := f.create(byIngress(map[string]string{"nginx.ingress.kubernetes.io/server-snippet": "return 200;"}))
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonAnnotationNotAllowed,
			"spec.callback.exposure.ingress.annotations", "nginx.ingress.kubernetes.io/server-snippet"))
		Expect(f.absent("support-callback", &networkingv1.Ingress{})()).To(BeTrue())
	})

	It("explains a failed handshake by an Ingress that nobody serves", func() {
		door.answer("/"+f.namespace+"/support", status(http.StatusNotFound))
		channel := f.create(byIngress(nil))
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beFalse(v1alpha1.ReasonUnexpectedStatus,
			`Ingress "support-callback" has no address yet`))
	})

	It("neither adopts nor deletes an Ingress that is somebody else's", func() {
		foreign := &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Name: "support-callback", Namespace: f.namespace},
			Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: "other", Port: networkingv1.ServiceBackendPort{Number: 80},
			}}},
		}
		Expect(api.Create(f.ctx, foreign)).To(Succeed())
		channel := f.create(byIngress(nil))
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonNameTaken, "Ingress", "does not belong to this channel"))
		f.change(channel, func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Exposure = v1alpha1.Exposure{} })
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		f.get("support-callback", foreign)
		Expect(foreign.Spec.DefaultBackend).NotTo(BeNil())
	})
})

// The API is installed once and stays, so the specs of a cluster without it come first.
var _ = Describe("The way in by HTTPRoute", Ordered, func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	It("needs the Gateway API, says so while it is not there, and notices when it is installed", func() {
		channel := f.create(byHTTPRoute)
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beFalse(v1alpha1.ReasonGatewayAPIMissing, "Gateway API", "Install it"))
		Expect(f.condition(channel, v1alpha1.ConditionStalled)()).To(beTrue(v1alpha1.ReasonGatewayAPIMissing))

		installGatewayAPI()
		f.poke(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		route := &gatewayv1.HTTPRoute{}
		f.get("support-callback", route)
		Expect(metav1.IsControlledBy(route, channel)).To(BeTrue())
		Expect(route.Spec.Hostnames).To(ConsistOf(gatewayv1.Hostname(publicHostname)))
		Expect(route.Spec.ParentRefs).To(ConsistOf(And(HaveField("Name", gatewayv1.ObjectName("public")),
			HaveField("Namespace", HaveValue(Equal(gatewayv1.Namespace("gateways")))))))

		By("repairing what somebody changed, as the route is watched from now on")
		route.Spec.Hostnames = []gatewayv1.Hostname{"elsewhere.example.com"}
		Expect(api.Update(f.ctx, route)).To(Succeed())
		Eventually(func() []gatewayv1.Hostname {
			f.get("support-callback", route)
			return route.Spec.Hostnames
		}).Should(ConsistOf(gatewayv1.Hostname(publicHostname)))
	})

	It("writes nothing once the route is as it should be", func() {
		channel := f.createReady(byHTTPRoute)
		route := &gatewayv1.HTTPRoute{}
		f.get("support-callback", route)
		version := route.ResourceVersion
		before := len(requests.snapshot())
		f.poke(channel)
		f.request(channel)
		Expect(requests.snapshot()[before:]).NotTo(ContainElement(MatchRegexp("^(POST|PUT|PATCH|DELETE) .*httproutes")))
		f.get("support-callback", route)
		Expect(route.ResourceVersion).To(Equal(version))
	})

	It("explains by what the Gateway's controller says, and looks again when that changes", func() {
		door.answer("/"+f.namespace+"/support", status(http.StatusNotFound))
		channel := f.create(byHTTPRoute)
		f.runReceiver(channel)
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beFalse(v1alpha1.ReasonRoutePending, "gateways/public"))
		f.answerRoute(metav1.Condition{Type: "Accepted", Status: metav1.ConditionFalse, Reason: "NotAllowedByListeners"})
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beFalse(v1alpha1.ReasonRouteNotAccepted,
			"allowedRoutes.namespaces", f.namespace))
		f.outwait(channel).Should(beFalse(v1alpha1.ReasonCallbackVerificationFailed, "allowedRoutes.namespaces"))

		door.reset()
		f.answerRoute(metav1.Condition{Type: "Accepted", Status: metav1.ConditionTrue, Reason: "Accepted"})
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
		Eventually(f.condition(channel, v1alpha1.ConditionCallbackReachable)).Should(beTrue(v1alpha1.ReasonReachable))
	})

	It("gives way to an Ingress, even where that was declared while the operator was away", func() {
		channel := f.createReady(byHTTPRoute)
		operator.stop()
		f.change(channel, byIngress(nil))
		operator = startOperator()
		Eventually(f.absent("support-callback", &gatewayv1.HTTPRoute{})).Should(BeTrue())
		f.get("support-callback", &networkingv1.Ingress{})
	})
})

// answerRoute writes what the controller of the Gateway would into the route's status.
func (f *fixture) answerRoute(conditions ...metav1.Condition) {
	GinkgoHelper()
	Eventually(func() error {
		route := &gatewayv1.HTTPRoute{}
		key := client.ObjectKey{Namespace: f.namespace, Name: manifests.CallbackName("support")}
		if err := api.Get(f.ctx, key, route); err != nil {
			return err
		}
		for i := range conditions {
			conditions[i].ObservedGeneration, conditions[i].LastTransitionTime = route.Generation, metav1.Now()
		}
		route.Status.Parents = []gatewayv1.RouteParentStatus{{
			ParentRef: route.Spec.ParentRefs[0], ControllerName: "example.com/gateway", Conditions: conditions,
		}}
		return api.Status().Update(f.ctx, route)
	}).Should(Succeed())
}

// installGatewayAPI installs the CustomResourceDefinitions that the Go module brings.
func installGatewayAPI() {
	GinkgoHelper()
	directory, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	Expect(err).NotTo(HaveOccurred())
	standard := filepath.Join(strings.TrimSpace(string(directory)), "config", "crd", "standard")
	_, err = envtest.InstallCRDs(environment.Config, envtest.CRDInstallOptions{
		Paths: []string{filepath.Join(standard, "gateway.networking.k8s.io_httproutes.yaml")}, ErrorIfPathMissing: true,
		// The API server takes its time on a busy machine.
		MaxTime: 2 * time.Minute,
	})
	Expect(err).NotTo(HaveOccurred())
}
