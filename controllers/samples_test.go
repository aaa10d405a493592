package controllers_test

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/test/leaksink"
)

var _ = Describe("The samples", func() {
	// T24: what a GitOps tool compares with the repository stays as it was committed, whatever the operator does.
	It("apply, and differ in nothing once the operator has worked on them", func() {
		const namespace = "helpdesk"
		ctx := context.Background()
		Expect(api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		DeferCleanup(func() {
			Expect(api.DeleteAllOf(ctx, &v1alpha1.WhatsAppChannel{}, client.InNamespace(namespace))).To(Succeed())
			Eventually(channelsIn).WithArguments(namespace).Should(BeEmpty())
		})
		newFixture() // Meta, the clock and the front door are as they are at first.
		samples := filepath.Join("..", "config", "samples")
		addSamplesAtMeta()
		runKubelet(namespace)
		user, err := environment.AddUser(envtest.User{Name: "gitops", Groups: []string{"system:masters"}}, nil)
		Expect(err).NotTo(HaveOccurred())
		kubeconfig, err := user.KubeConfig()
		Expect(err).NotTo(HaveOccurred())
		access := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
		Expect(os.WriteFile(access, kubeconfig, 0o600)).To(Succeed())
		kubectl := func(arguments ...string) (string, error) {
			command := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), append([]string{"--kubeconfig", access}, arguments...)...)
			output, err := command.CombinedOutput()
			return string(output), err
		}

		output, err := kubectl("apply", "--server-side", "--kustomize", samples)
		Expect(err).NotTo(HaveOccurred(), output)
		Eventually(channelsIn).WithArguments(namespace).Should(ContainElement(And(
			HaveField("Name", "sales"), HaveField("Finalizers", Not(BeEmpty())), HaveField("Status.PhoneNumber", Not(BeNil())))))
		Eventually(channelsIn).WithArguments(namespace).Should(And(Not(BeEmpty()), HaveEach(WithTransform(
			func(c v1alpha1.WhatsAppChannel) bool { return kstatusOutdated(&c) }, BeFalse()))))
		// A status that is written between the two looks of one comparison differs, too.
		Eventually(func() (string, error) { return kubectl("diff", "--server-side", "--kustomize", samples) }).Should(BeEmpty())
	})
})

// addSamplesAtMeta gives Meta the app, the account and the numbers that the samples speak of.
func addSamplesAtMeta() {
	GinkgoHelper()
	credentials := map[string]string{}
	for _, document := range kustomized("samples") {
		secret, channel := &corev1.Secret{}, &v1alpha1.WhatsAppChannel{}
		var kind metav1.TypeMeta
		Expect(yaml.Unmarshal(document, &kind)).To(Succeed())
		switch kind.Kind {
		case "Secret":
			Expect(yaml.Unmarshal(document, secret)).To(Succeed())
			maps.Copy(credentials, secret.StringData)
		case "WhatsAppChannel":
			Expect(yaml.Unmarshal(document, channel)).To(Succeed())
			simulator.AddBusinessAccount(cloudapitest.BusinessAccount{ID: channel.Spec.BusinessAccountID})
			simulator.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: channel.Spec.BusinessAccountID, DisplayPhoneNumber: channel.Spec.PhoneNumber})
			leaksink.Register(cloudapi.Digits(channel.Spec.PhoneNumber))
		}
	}
	app := simulator.AddApp(cloudapitest.App{Secret: credentials["app-secret"]})
	simulator.IssueToken(cloudapitest.Token{Value: credentials["access-token"], AppID: app.ID})
	simulator.SubscribeApp(app.ID, "https://app.example.com/webhook", "messages")
}

func channelsIn(namespace string) ([]v1alpha1.WhatsAppChannel, error) {
	channels := &v1alpha1.WhatsAppChannelList{}
	err := api.List(context.Background(), channels, client.InNamespace(namespace))
	return channels.Items, err
}
