package v1alpha1_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// samples are the objects of config/samples that its kustomization applies, and the files that have them.
func samples(g Gomega) (objects []*unstructured.Unstructured, files []string) {
	dir := filepath.Join("..", "..", "config", "samples")
	var kustomization struct {
		Resources []string `json:"resources"`
	}
	content, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(yaml.UnmarshalStrict(content, &kustomization)).To(Succeed())
	for _, file := range kustomization.Resources {
		content, err := os.ReadFile(filepath.Join(dir, file))
		g.Expect(err).NotTo(HaveOccurred())
		documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			g.Expect(err).NotTo(HaveOccurred())
			object := &unstructured.Unstructured{}
			g.Expect(yaml.Unmarshal(document, object)).To(Succeed(), file)
			objects = append(objects, object)
		}
	}
	return objects, kustomization.Resources
}

// Who copies a sample gets what an API server takes, all of it, with the Secrets that it names.
func TestSamplesAreValidAndWhole(t *testing.T) {
	g := NewWithT(t)
	objects, files := samples(g)
	there, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", "*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, path := range there {
		if name := filepath.Base(path); name != "kustomization.yaml" && name != "kubectl-whatsapp.yaml" {
			g.Expect(files).To(ContainElement(name), "the kustomization leaves it out")
		}
	}

	strict := client.WithFieldValidation(api, metav1.FieldValidationStrict)
	secrets := map[string]*corev1.Secret{}
	var channels []*v1alpha1.WhatsAppChannel
	for _, object := range objects {
		g.Expect(strict.Create(context.Background(), object.DeepCopy(), client.DryRunAll)).To(Succeed(), object.GetName())
		switch object.GetKind() {
		case "Secret":
			secret := &corev1.Secret{}
			g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, secret)).To(Succeed())
			secrets[secret.Namespace+"/"+secret.Name] = secret
		case "WhatsAppChannel":
			channel := &v1alpha1.WhatsAppChannel{}
			g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, channel)).To(Succeed())
			channels = append(channels, channel)
		}
	}
	var names, numbers []string
	helpdesks := map[string]bool{}
	for _, channel := range channels {
		names, numbers = append(names, channel.Name), append(numbers, channel.Spec.PhoneNumber)
		refs := []v1alpha1.SecretKeyReference{channel.Spec.AccessTokenSecretRef, channel.Spec.AppSecretSecretRef}
		if zammad := channel.Spec.Helpdesk.Zammad; zammad != nil {
			refs, helpdesks["zammad"] = append(refs, zammad.TokenSecretRef), true
		}
		if events := channel.Spec.Helpdesk.CloudEvents; events != nil {
			refs, helpdesks["cloudEvents"] = append(refs, *events.AuthSecretRef), true
		}
		for _, ref := range refs {
			secret := secrets[channel.Namespace+"/"+ref.Name]
			g.Expect(secret).NotTo(BeNil(), "%s names the Secret %s", channel.Name, ref.Name)
			g.Expect(secret.StringData).To(HaveKey(ref.Key), "%s", ref.Name)
			g.Expect(secret.Labels).To(HaveKeyWithValue("whatsapp-operator.io/use", "channel"), "%s", ref.Name)
		}
	}
	g.Expect(helpdesks).To(HaveLen(2), "every kind of helpdesk has a sample")
	for _, list := range [][]string{names, numbers} {
		slices.Sort(list)
		g.Expect(slices.Compact(slices.Clone(list))).To(Equal(list), "each channel has a name and a number of its own")
	}
}
