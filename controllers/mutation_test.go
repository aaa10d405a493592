package controllers_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
)

// mutation sets fields of a spec, first so, then in another way. Then they are as they were.
type mutation struct {
	// fields are what it sets, as the schema names them; a field stands for all below it.
	fields []string
	set    func(*v1alpha1.WhatsAppChannelSpec)
	change func(*v1alpha1.WhatsAppChannelSpec)
	// elsewhere says, where setting them changes no object of the channel, where it shows or why not at all.
	elsewhere string
}

func secretKey(name, key string) v1alpha1.SecretKeyReference {
	return v1alpha1.SecretKeyReference{Name: name, Key: key}
}

// mutationsOfReplicas are of a spec that keeps its data in PostgreSQL, where receivers may be several.
var mutationsOfReplicas = []mutation{
	{
		fields: []string{"receiver.replicas"},
		set:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Replicas = new(int32(3)) },
		change: func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Replicas = nil },
	},
	{
		fields: []string{"receiver.replicas"},
		set:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Replicas = nil },
		change: func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Replicas = new(int32(1)) },
	},
}

// mutationsOnPostgres are of such a spec, too.
var mutationsOnPostgres = append(slices.Clone(mutationsOfReplicas), []mutation{
	{
		fields: []string{"receiver.storage.postgres.dsnSecretRef"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Storage.Postgres.DSNSecretRef = secretKey(secretName, "another-uri")
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Storage.Postgres.DSNSecretRef = secretKey("absent", "uri")
		},
	},
	{
		fields:    []string{"receiver.storage.postgres.schema"},
		elsewhere: "never changes",
	},
	{
		fields: []string{"receiver.storage.sqlite"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Replicas, s.Receiver.Storage.Postgres = nil, nil
			s.Receiver.Storage.SQLite = &v1alpha1.SQLiteStorage{Size: new(resource.MustParse("2Gi"))}
		},
		change:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Replicas, s.Receiver.Storage.Postgres = nil, nil },
		elsewhere: "data never changes places by itself",
	},
	{
		fields: []string{"receiver.pod.topologySpreadConstraints"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Pod = &v1alpha1.ReceiverPod{TopologySpreadConstraints: []corev1.TopologySpreadConstraint{
				{MaxSkew: 1, TopologyKey: "rack", WhenUnsatisfiable: corev1.ScheduleAnyway},
			}}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Pod = &v1alpha1.ReceiverPod{TopologySpreadConstraints: []corev1.TopologySpreadConstraint{
				{MaxSkew: 2, TopologyKey: "rack", WhenUnsatisfiable: corev1.DoNotSchedule},
			}}
		},
	},
	{
		fields: []string{"receiver.storage.whenDeleted", "receiver.storage.retentionDays"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Storage.WhenDeleted, s.Receiver.Storage.RetentionDays = v1alpha1.WhenDeletedDelete, new(int32(30))
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Storage.WhenDeleted, s.Receiver.Storage.RetentionDays = v1alpha1.WhenDeletedRetain, new(int32(365))
		},
	},
}...)

// mutations are good and bad ones: Secrets that are not there, annotations that are not allowed, a volume that cannot grow.
var mutations = []mutation{
	{
		fields: []string{"accessTokenSecretRef.name", "accessTokenSecretRef.key"},
		set:    func(s *v1alpha1.WhatsAppChannelSpec) { s.AccessTokenSecretRef = secretKey(secretName, "another-token") },
		change: func(s *v1alpha1.WhatsAppChannelSpec) { s.AccessTokenSecretRef = secretKey("absent", "access-token") },
	},
	{
		fields: []string{"appSecretSecretRef.name", "appSecretSecretRef.key"},
		set:    func(s *v1alpha1.WhatsAppChannelSpec) { s.AppSecretSecretRef = secretKey(secretName, "another-secret") },
		change: func(s *v1alpha1.WhatsAppChannelSpec) { s.AppSecretSecretRef = secretKey("absent", "app-secret") },
	},
	{
		fields: []string{"callback.appSubscription"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.AppSubscription = v1alpha1.AppSubscriptionCreateIfAbsent
		},
		change:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Callback.AppSubscription = v1alpha1.AppSubscriptionKeep },
		elsewhere: "at Meta",
	},
	{
		fields:    []string{"callback.registration"},
		set:       func(s *v1alpha1.WhatsAppChannelSpec) { s.Callback.Registration = v1alpha1.RegistrationManual },
		change:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Callback.Registration = "" },
		elsewhere: "at Meta",
	},
	{
		fields:    []string{"callback.hostname"},
		set:       func(s *v1alpha1.WhatsAppChannelSpec) { s.Callback.Hostname = otherHostname },
		change:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Callback.Hostname = "" },
		elsewhere: "at Meta",
	},
	{
		fields: []string{"callback.exposure.httpRoute"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.Exposure.HTTPRoute = &v1alpha1.HTTPRouteExposure{ParentRefs: []v1alpha1.GatewayReference{{Name: "public"}}}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.Exposure.HTTPRoute = &v1alpha1.HTTPRouteExposure{ParentRefs: []v1alpha1.GatewayReference{{Name: "public", Namespace: "gateways", SectionName: "https"}}}
		},
		elsewhere: "in an HTTPRoute, where there is the Gateway API",
	},
	{
		fields: []string{"callback.exposure.ingress"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.Exposure.Ingress = &v1alpha1.IngressExposure{ClassName: "public", TLSSecretName: "wa-tls", Annotations: map[string]string{"lb.example.com/a": "b"}}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.Exposure.Ingress = &v1alpha1.IngressExposure{ClassName: "other"}
		},
	},
	{
		fields: []string{"callback.exposure.service"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.Exposure.Service = &v1alpha1.ServiceExposure{Type: corev1.ServiceTypeLoadBalancer, TLSSecretName: "wa-tls", Annotations: map[string]string{"lb.example.com/a": "b"}}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.Exposure.Service = &v1alpha1.ServiceExposure{Type: corev1.ServiceTypeClusterIP, TLSSecretName: "other-tls", Annotations: map[string]string{"not.example.com/allowed": "b"}}
		},
	},
	{
		fields: []string{"callback.verifyTokenSecretRef"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.VerifyTokenSecretRef = new(secretKey(secretName, "verify-token"))
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Callback.VerifyTokenSecretRef = new(secretKey("absent", "verify-token"))
		},
	},
	{
		fields: []string{"delivery"},
		set:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Delivery = v1alpha1.DeliveryHeld },
		change: func(s *v1alpha1.WhatsAppChannelSpec) { s.Delivery = v1alpha1.DeliveryActive },
	},
	{
		fields: []string{"helpdesk.cloudEvents"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Helpdesk.CloudEvents = &v1alpha1.CloudEventsHelpdesk{URL: "https://events.example.com"}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Helpdesk.CloudEvents = &v1alpha1.CloudEventsHelpdesk{URL: "https://other.example.com", AuthSecretRef: new(secretKey("absent", "token"))}
		},
	},
	{
		fields: []string{"helpdesk.zammad"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Helpdesk.Zammad = &v1alpha1.ZammadHelpdesk{URL: "https://zammad.example.com", TokenSecretRef: secretKey("absent", "token"), Events: v1alpha1.HelpdeskEventsPoll}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Helpdesk.Zammad = &v1alpha1.ZammadHelpdesk{URL: "https://other.example.com", TokenSecretRef: secretKey(secretName, "access-token"), Events: v1alpha1.HelpdeskEventsPublic}
		},
	},
	{
		fields: []string{"messages"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Messages = v1alpha1.Messages{Welcome: text("a"), Goodbye: text("b"), Unsupported: text("c"), Reminder: &v1alpha1.ReminderText{Text: "d"}}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Messages = v1alpha1.Messages{Welcome: text("e"), Reminder: &v1alpha1.ReminderText{Text: "d", AfterMinutes: new(int32(7))}}
		},
	},
	{
		fields: []string{"receiver.pod"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Pod = &v1alpha1.ReceiverPod{
				NodeSelector: map[string]string{"disk": "fast"}, Labels: map[string]string{"team": "support"}, Annotations: map[string]string{"example.org/a": "b"},
				Tolerations:               []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}},
				ImagePullSecrets:          []v1alpha1.ImagePullSecret{{Name: "registry"}},
				TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway}},
			}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Pod = &v1alpha1.ReceiverPod{
				NodeSelector: map[string]string{"disk": "slow"}, Labels: map[string]string{"team": "sales"},
				Tolerations: []corev1.Toleration{{Key: "other", Operator: corev1.TolerationOpEqual, Value: "v", Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(5))}},
			}
		},
	},
	{
		fields:    []string{"receiver.replicas"},
		set:       func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Replicas = new(int32(1)) },
		change:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Replicas = nil },
		elsewhere: "only with PostgreSQL may there be more than one",
	},
	{
		fields: []string{"receiver.resources"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")}}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
		},
	},
	{
		fields: []string{"receiver.storage.postgres"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Storage.Postgres = &v1alpha1.PostgresStorage{DSNSecretRef: secretKey(secretName, "uri"), Schema: "support"}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Storage.Postgres = &v1alpha1.PostgresStorage{DSNSecretRef: secretKey("absent", "uri"), Schema: "support"}
		},
		elsewhere: "data never changes places by itself",
	},
	{
		fields: []string{"receiver.storage.retentionDays"},
		set:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Storage.RetentionDays = new(int32(30)) },
		change: func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Storage.RetentionDays = new(int32(365)) },
	},
	{
		fields: []string{"receiver.storage.sqlite.size"},
		set: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Storage.SQLite = &v1alpha1.SQLiteStorage{Size: new(resource.MustParse("2Gi"))}
		},
		change: func(s *v1alpha1.WhatsAppChannelSpec) {
			s.Receiver.Storage.SQLite = &v1alpha1.SQLiteStorage{Size: new(resource.MustParse("3Gi"))}
		},
		elsewhere: "the API server refuses to let a claim grow that is not bound",
	},
	{
		fields:    []string{"receiver.storage.sqlite.storageClassName"},
		elsewhere: "never changes",
	},
	{
		fields: []string{"receiver.storage.whenDeleted"},
		set:    func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Storage.WhenDeleted = v1alpha1.WhenDeletedDelete },
		change: func(s *v1alpha1.WhatsAppChannelSpec) { s.Receiver.Storage.WhenDeleted = v1alpha1.WhenDeletedRetain },
	},
	{
		fields:    []string{"phoneNumber"},
		elsewhere: "may be set once and stays",
	},
	{
		fields:    []string{"businessAccountID"},
		elsewhere: "never changes",
	},
	{
		fields:    []string{"targetGroup"},
		set:       func(s *v1alpha1.WhatsAppChannelSpec) { s.TargetGroup = "1st Level" },
		change:    func(s *v1alpha1.WhatsAppChannelSpec) { s.TargetGroup = "3rd Level" },
		elsewhere: "in the configuration of a helpdesk",
	},
}

var _ = Describe("A spec", func() {
	// T6, whose fields are those of the schema.
	It("has a mutation for each of its fields", func() {
		var known []string
		for _, m := range mutations {
			known = append(known, m.fields...)
		}
		for _, field := range schemaFields() {
			Expect(slices.ContainsFunc(known, func(k string) bool { return field == k || strings.HasPrefix(field, k+".") })).To(BeTrue(),
				"the schema has a field that no mutation sets: %s", field)
		}
	})

	DescribeTable("has no field that leaves a trace when it is unset, or that keeps the next change from being made",
		func(mutations []mutation, base func(*v1alpha1.WhatsAppChannel)) {
			f := newFixture()
			another := f.issue(cloudapitest.Token{})
			f.setSecret(map[string]string{
				"another-token": another, "another-secret": f.app.Secret, "verify-token": "of-my-own",
				"uri": "postgres://database.example.com/support", "another-uri": "postgres://database.example.com:5433/support",
			})
			runKubelet(f.namespace)
			channel := f.create(base)
			Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
			before, spec := f.children(channel), f.current(channel).Spec
			// observed waits until the operator has acted on a spec, and returns the channel's objects.
			observed := func(mutate func(*v1alpha1.WhatsAppChannelSpec)) map[string]string {
				GinkgoHelper()
				f.change(channel, func(c *v1alpha1.WhatsAppChannel) {
					c.Spec = *spec.DeepCopy()
					mutate(&c.Spec)
				})
				Eventually(func() bool {
					read := f.current(channel)
					return *read.Status.ObservedGeneration == read.Generation
				}).Should(BeTrue())
				return f.children(channel)
			}
			for _, m := range mutations {
				if m.set == nil {
					continue
				}
				description := strings.Join(m.fields, ", ")
				set := observed(m.set)
				if m.elsewhere == "" {
					Expect(differences(before, set)).NotTo(BeEmpty(), "%s is without effect", description)
				}
				observed(m.change)
				observed(func(*v1alpha1.WhatsAppChannelSpec) {})
				// What a helpdesk signs with stays for when it calls again: the operator may not delete Secrets.
				Eventually(func() []string { return without(differences(before, f.children(channel)), "Secret support-helpdesk") }).Should(BeEmpty(), description)
				Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady), description)
			}
		},
		Entry("with the embedded database", mutations, func(*v1alpha1.WhatsAppChannel) {}),
		Entry("with two receivers on PostgreSQL", mutationsOnPostgres, onPostgres(2)),
		Entry("with one receiver on PostgreSQL", mutationsOfReplicas, onPostgres(1)),
	)
})

// without are the differences but for one object.
func without(found []string, name string) []string {
	return slices.DeleteFunc(found, func(difference string) bool { return strings.HasPrefix(difference, name+"\n") })
}

// schemaFields are the fields of a spec that hold a value, as the schema of the CRD has them, with dots between the levels.
// What a list holds belongs to the list.
func schemaFields() []string {
	GinkgoHelper()
	manifest, err := os.ReadFile(filepath.Join("..", "config", "crd", "bases", "whatsapp-operator.io_whatsappchannels.yaml"))
	Expect(err).NotTo(HaveOccurred())
	crd := &unstructured.Unstructured{}
	Expect(yaml.Unmarshal(manifest, &crd.Object)).To(Succeed())
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	Expect(err).NotTo(HaveOccurred())
	spec, found, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec")
	Expect(err).NotTo(HaveOccurred())
	Expect(found).To(BeTrue())
	fields := fieldsBelow("", spec)
	slices.Sort(fields)
	return fields
}

func fieldsBelow(path string, schema map[string]any) []string {
	properties, _ := schema["properties"].(map[string]any)
	if len(properties) == 0 {
		return []string{path}
	}
	var fields []string
	for name, property := range properties {
		if below, ok := property.(map[string]any); ok {
			fields = append(fields, fieldsBelow(strings.TrimPrefix(path+"."+name, "."), below)...)
		}
	}
	return fields
}
