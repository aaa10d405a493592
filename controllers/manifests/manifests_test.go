package manifests

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

func channel(change ...func(*v1alpha1.WhatsAppChannel)) *v1alpha1.WhatsAppChannel {
	c := &v1alpha1.WhatsAppChannel{
		ObjectMeta: metav1.ObjectMeta{Name: "support", Namespace: "helpdesk", UID: "7c5b1e1e-7f5e-4c55-b1f4-0d6d2f7f3a11"},
		Spec: v1alpha1.WhatsAppChannelSpec{
			BusinessAccountID:    "102290129340398",
			AccessTokenSecretRef: v1alpha1.SecretKeyReference{Name: "whatsapp-support", Key: "token"},
			AppSecretSecretRef:   v1alpha1.SecretKeyReference{Name: "whatsapp-app", Key: "secret"},
			TargetGroup:          "2nd Level",
		},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// everything sets every field that has an effect on what is built.
func everything(c *v1alpha1.WhatsAppChannel) {
	size := resource.MustParse("5Gi")
	c.Spec.Messages.Welcome = &v1alpha1.MessageText{Text: "Thanks for writing."}
	c.Spec.Helpdesk.Zammad = &v1alpha1.ZammadHelpdesk{
		URL: "https://zammad.example.com/", TokenSecretRef: v1alpha1.SecretKeyReference{Name: "zammad", Key: "token"},
		Events: v1alpha1.HelpdeskEventsPublic,
	}
	c.Spec.Callback.Exposure.Service = &v1alpha1.ServiceExposure{
		Type: corev1.ServiceTypeLoadBalancer, TLSSecretName: "wa-tls", Annotations: map[string]string{"lb.example.com/scheme": "public"},
	}
	c.Spec.Receiver.Storage = v1alpha1.Storage{
		SQLite:      &v1alpha1.SQLiteStorage{Size: &size, StorageClassName: "fast"},
		WhenDeleted: v1alpha1.WhenDeletedDelete,
	}
	c.Spec.Receiver.Resources = &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1000m")},
	}
	c.Spec.Receiver.Pod = &v1alpha1.ReceiverPod{
		NodeSelector: map[string]string{"disk": "fast"},
		Tolerations:  []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "support", Effect: corev1.TaintEffectNoSchedule}},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		}},
		ImagePullSecrets: []v1alpha1.ImagePullSecret{{Name: "registry"}},
		Labels:           map[string]string{"team": "support"},
		Annotations:      map[string]string{"example.com/mesh": "off"},
	}
}

func onPostgres(c *v1alpha1.WhatsAppChannel) {
	c.Spec.Receiver.Replicas = ptr.To[int32](3)
	c.Spec.Receiver.Storage.Postgres = &v1alpha1.PostgresStorage{DSNSecretRef: v1alpha1.SecretKeyReference{Name: "database", Key: "uri"}}
}

func byHTTPRoute(c *v1alpha1.WhatsAppChannel) {
	c.Spec.Callback.Exposure.HTTPRoute = &v1alpha1.HTTPRouteExposure{ParentRefs: []v1alpha1.GatewayReference{
		{Name: "public", Namespace: "gateways", SectionName: "https"}, {Name: "internal"},
	}}
}

func byIngress(complete bool) func(*v1alpha1.WhatsAppChannel) {
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Callback.Exposure.Ingress = &v1alpha1.IngressExposure{ClassName: "traefik"}
		if complete {
			c.Spec.Callback.Exposure.Ingress = &v1alpha1.IngressExposure{
				TLSSecretName: "wa-tls", Annotations: map[string]string{"traefik.ingress.kubernetes.io/router.entrypoints": "websecure"},
			}
		}
	}
}

var pod = Pod{
	Image:       "registry.example.com/whatsapp-operator:1.2.3",
	VerifyToken: v1alpha1.SecretKeyReference{Name: "support-verify-token", Key: VerifyTokenKey},
}

func TestManifests(t *testing.T) {
	number := &config.PhoneNumber{ID: "106540352242922", Display: "+1 555-0100"}
	graph := Graph{BaseURL: "https://graph.example.com", Version: "v25.0"}
	richPod := pod
	richPod.PlatformChoosesUser = true
	richPod.CA, richPod.Environment = true, map[string]string{"NO_PROXY": ".svc", "HTTPS_PROXY": "http://proxy.example.com:3128"}
	richPod.HelpdeskToken, richPod.HelpdeskSigns = &v1alpha1.SecretKeyReference{Name: "zammad", Key: "token"}, true
	place := Place{CallbackURL: "https://wa.example.com/helpdesk/support", Installation: "wa.example.com"}
	richGraph := graph
	richGraph.CA = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
	plain, rich, shared := channel(), channel(everything), channel(onPostgres)
	plainConfig, err := ConfigMap(plain, nil, graph, place)
	if err != nil {
		t.Fatal(err)
	}
	richConfig, err := ConfigMap(rich, number, richGraph, place)
	if err != nil {
		t.Fatal(err)
	}
	for name, built := range map[string][]any{
		"plain": {
			plainConfig, ServiceAccount(plain), PersistentVolumeClaim(plain, "", nil), Deployment(plain, pod), Service(plain),
			VerifyTokenMetadata(plain, ""), APIMetadata(plain),
		},
		"routes": {
			HTTPRoute(channel(byHTTPRoute), "wa.example.com"), Ingress(channel(byIngress(false)), "wa.example.com"), Ingress(channel(byIngress(true)), "wa.example.com"),
		},
		"postgres": {Deployment(shared, pod), PodDisruptionBudget(shared)},
		"everything": {
			richConfig, ServiceAccount(rich), PersistentVolumeClaim(rich, number.ID, nil), Deployment(rich, richPod), Service(rich),
			CallbackService(rich), VerifyTokenMetadata(rich, number.ID), APIMetadata(rich), HelpdeskSecretMetadata(rich),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var documents []string
			for _, object := range built {
				document, err := yaml.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				documents = append(documents, string(document))
			}
			golden(t, filepath.Join("testdata", name+".yaml"), strings.Join(documents, "---\n"))
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is built; if that is meant, run the test with -update (-want +got):\n%s", file, diff)
	}
}

func TestPodsAreRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*v1alpha1.WhatsAppChannel{"plain": channel(), "everything": channel(everything), "postgres": channel(onPostgres)} {
		t.Run(name, func(t *testing.T) {
			encoded, err := json.Marshal(Deployment(c, pod).Spec.Template)
			if err != nil {
				t.Fatal(err)
			}
			template := &corev1.PodTemplateSpec{}
			if err := json.Unmarshal(encoded, template); err != nil {
				t.Fatal(err)
			}
			results := evaluator.EvaluatePod(podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()},
				&template.ObjectMeta, &template.Spec)
			if len(results) == 0 {
				t.Fatal("nothing was evaluated")
			}
			for _, result := range results {
				if !result.Allowed {
					t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
		})
	}
}

func TestVolumesNeverShrinkOrChangeClass(t *testing.T) {
	class := "standard"
	existing := &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
		StorageClassName: &class,
		Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}},
	}}
	spec := PersistentVolumeClaim(channel(everything), "", existing).Spec
	if size := (*spec.Resources.Requests)[corev1.ResourceStorage]; size.String() != "20Gi" {
		t.Errorf("a volume of 20Gi is to have %s", size.String())
	}
	if *spec.StorageClassName != class {
		t.Errorf("a volume of the class %s is to have %s", class, *spec.StorageClassName)
	}
	if spec := PersistentVolumeClaim(channel(), "", existing).Spec; spec.StorageClassName != nil {
		t.Errorf("the class %s is claimed, which nobody declared", *spec.StorageClassName)
	}
}

func TestTemplateDoesNotDependOnConfiguration(t *testing.T) {
	encode := func(c *v1alpha1.WhatsAppChannel) string {
		encoded, err := json.Marshal(Deployment(c, pod))
		if err != nil {
			t.Fatal(err)
		}
		return string(encoded)
	}
	other := channel(func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.TargetGroup = "Sales"
		c.Spec.PhoneNumber = "+1 555-0100"
		c.Spec.Messages.Welcome = &v1alpha1.MessageText{Text: "Welcome!"}
	})
	if diff := cmp.Diff(encode(channel()), encode(other)); diff != "" {
		t.Errorf("a change that the receiver reads by itself restarts it:\n%s", diff)
	}
}
