package controllers_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/controllers"
)

var _ = Describe("The operator's rights", func() {
	// Another operator in the cluster has Roles, too, and applies its own over one of the same name.
	It("have names that no other operator gives", func() {
		checked := 0
		for _, document := range kustomized("default") {
			var object metav1.PartialObjectMetadata
			Expect(yaml.Unmarshal(document, &object)).To(Succeed())
			if object.GroupVersionKind().Group == rbacv1.GroupName && object.Namespace == "" {
				Expect(object.Name).To(HavePrefix("whatsapp-operator-"))
				checked++
			}
		}
		Expect(checked).To(BeNumerically(">", 0))
	})

	// T17: config/namespaced is installed with nothing but what it says.
	It("suffice for one namespace, with a Role there and nothing else", func() {
		f := newFixture()
		role := &rbacv1.Role{}
		for _, document := range kustomized("namespaced") {
			var kind metav1.TypeMeta
			Expect(yaml.Unmarshal(document, &kind)).To(Succeed())
			if kind.Kind == "ClusterRoleBinding" {
				binding := &rbacv1.ClusterRoleBinding{}
				Expect(yaml.Unmarshal(document, binding)).To(Succeed())
				Expect(binding.RoleRef.Name).To(Equal("whatsapp-operator-metrics-auth"), "no other right reaches beyond the namespace")
			}
			if bytes.Contains(document, []byte("name: whatsapp-operator-channels\n  namespace: helpdesk")) && kind.Kind == "Role" {
				Expect(yaml.Unmarshal(document, role)).To(Succeed())
			}
		}
		Expect(role.Rules).NotTo(BeEmpty())
		role.Namespace = f.namespace
		Expect(api.Create(f.ctx, role)).To(Succeed())
		Expect(api.Create(f.ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "operator", Namespace: f.namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "tenant-operator"}},
		})).To(Succeed())
		user, err := environment.AddUser(envtest.User{Name: "tenant-operator"}, nil)
		Expect(err).NotTo(HaveOccurred())

		operator.stop()
		tenant := startOperatorAs(user.Config(), []string{f.namespace})
		DeferCleanup(func() {
			tenant.stop()
			operator = startOperator()
			f.cleanUp()
		})
		f.setSecret(map[string]string{"access-token": f.issue(cloudapitest.Token{ExpiresAt: clock.Now().Add(10 * 24 * time.Hour)})})
		channel := f.createReady()
		f.expectEvent(v1alpha1.ReasonTokenExpiring)
		f.delete(channel)
	})
})

// kustomized are the documents that kustomize builds of a folder below config.
func kustomized(folder string) [][]byte {
	GinkgoHelper()
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	built, err := exec.Command(kubectl, "kustomize", filepath.Join("..", "config", folder)).Output()
	Expect(err).NotTo(HaveOccurred())
	return bytes.Split(built, []byte("\n---\n"))
}

var _ = Describe("The NetworkPolicy of a receiver", func() {
	It("is there where the operator is told to make them, and goes with that", func() {
		f := newFixture()
		channel := f.createReady()
		policy := &networkingv1.NetworkPolicy{}
		f.get("support-receiver", policy)
		Expect(policy.Spec.PodSelector.MatchLabels).To(Equal(f.deployment().Spec.Selector.MatchLabels))
		Expect(metav1.IsControlledBy(policy, channel)).To(BeTrue())

		operator.stop()
		operator = startOperator(func(o *controllers.Options) { o.NetworkPolicies = false })
		DeferCleanup(func() {
			operator.stop()
			operator = startOperator()
		})
		Eventually(f.absent("support-receiver", &networkingv1.NetworkPolicy{})).Should(BeTrue())
	})
})

var _ = Describe("A new channel", func() {
	It("costs the API server few requests", func() {
		operator.stop()
		operator = startOperator(func(o *controllers.Options) { o.NetworkPolicies = false })
		DeferCleanup(func() {
			operator.stop()
			operator = startOperator()
		})
		f := newFixture()
		before := len(requests.snapshot())
		channel := f.createReady()
		Eventually(f.current).WithArguments(channel).Should(HaveField("Status.Receiver.Backlog", Not(BeNil())))
		count := map[string]int{}
		total := 0
		for _, request := range requests.snapshot()[before:] {
			if !strings.Contains(request, "/namespaces/"+f.namespace+"/") || strings.Contains(request, "/events") {
				continue
			}
			method, path, _ := strings.Cut(request, " ")
			_, resource, _ := strings.Cut(path, "/namespaces/"+f.namespace+"/")
			count[method+" "+resource]++
			total++
		}
		var lines []string
		for request, n := range count {
			lines = append(lines, fmt.Sprintf("%d %s", n, request))
		}
		slices.Sort(lines)
		// One Secret is read and three are made, five objects are applied, and the channel gets its finalizer and three statuses:
		// the number found, the receiver made, and ready. Where the cache is behind, something is read live.
		Expect(total).To(BeNumerically("<=", 15), "it took\n%s", strings.Join(lines, "\n"))
	})
})
