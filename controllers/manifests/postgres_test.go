package manifests

import (
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

func TestPostgresSchemaIsTheChannelsOwn(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	named := func(namespace, name string) *v1alpha1.WhatsAppChannel {
		return channel(onPostgres, func(c *v1alpha1.WhatsAppChannel) { c.Namespace, c.Name = namespace, name })
	}
	seen := map[string]string{}
	for _, c := range []*v1alpha1.WhatsAppChannel{
		named("a", "support"), named("b", "support"), named("a", "sup-port"), named("a-b", "c"), named("a", "b-c"),
		named(strings.Repeat("n", 63), strings.Repeat("x", 48)),
	} {
		schema := PostgresSchema(c)
		if !valid.MatchString(schema) {
			t.Errorf("%s/%s: %q is no name of a schema", c.Namespace, c.Name, schema)
		}
		if other, taken := seen[schema]; taken {
			t.Errorf("%s/%s and %s share the schema %s", c.Namespace, c.Name, other, schema)
		}
		seen[schema] = c.Namespace + "/" + c.Name
	}
	c := named("a", "support")
	c.Spec.Receiver.Storage.Postgres.Schema = "my_own"
	if got := PostgresSchema(c); got != "my_own" {
		t.Errorf("the schema that the channel names is not used: %s", got)
	}
}

func TestReplicas(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*v1alpha1.WhatsAppChannel)
		replicas *int32
		strategy appsv1.DeploymentStrategyType
		several  bool
	}{
		"embedded":                {func(*v1alpha1.WhatsAppChannel) {}, ptr.To[int32](1), appsv1.RecreateDeploymentStrategyType, false},
		"shared by three":         {onPostgres, ptr.To[int32](3), appsv1.RollingUpdateDeploymentStrategyType, true},
		"shared by one":           {func(c *v1alpha1.WhatsAppChannel) { onPostgres(c); c.Spec.Receiver.Replicas = ptr.To[int32](1) }, ptr.To[int32](1), appsv1.RollingUpdateDeploymentStrategyType, false},
		"an autoscaler's concern": {func(c *v1alpha1.WhatsAppChannel) { onPostgres(c); c.Spec.Receiver.Replicas = nil }, nil, appsv1.RollingUpdateDeploymentStrategyType, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := channel(tc.change)
			spec := Deployment(c, pod).Spec
			if ptr.Deref(spec.Replicas, -1) != ptr.Deref(tc.replicas, -1) || *spec.Strategy.Type != tc.strategy {
				t.Errorf("replicas %v, strategy %v", spec.Replicas, *spec.Strategy.Type)
			}
			if spread := len(spec.Template.Spec.TopologySpreadConstraints) > 0; MayBeSeveral(c) != tc.several || spread != tc.several {
				t.Errorf("may be several: %v, spread: %v", MayBeSeveral(c), spread)
			}
		})
	}
}

func TestStorageInUse(t *testing.T) {
	for _, c := range []*v1alpha1.WhatsAppChannel{channel(), channel(everything), channel(onPostgres)} {
		deployment := &appsv1.Deployment{}
		deployment.Spec.Template.Spec.Containers = []corev1.Container{{Args: Deployment(c, pod).Spec.Template.Spec.Containers[0].Args}}
		if got := StorageInUse(deployment); got != StorageOf(c) {
			t.Errorf("a Deployment for %s is taken for one with %s", StorageOf(c), got)
		}
	}
}
