package v1alpha1_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// smallest is a channel with nothing but what is required.
func smallest() *v1alpha1.WhatsAppChannel {
	return &v1alpha1.WhatsAppChannel{
		ObjectMeta: metav1.ObjectMeta{Name: "support", Namespace: "helpdesk"},
		Spec: v1alpha1.WhatsAppChannelSpec{
			BusinessAccountID:    "102290129340398",
			AccessTokenSecretRef: v1alpha1.SecretKeyReference{Name: "whatsapp-support", Key: "access-token"},
			AppSecretSecretRef:   v1alpha1.SecretKeyReference{Name: "whatsapp-support", Key: "app-secret"},
			TargetGroup:          "2nd Level",
		},
	}
}

// complete is a channel with every field set.
func complete() *v1alpha1.WhatsAppChannel {
	channel := smallest()
	channel.Spec.PhoneNumber = "+1 631-555-1111"
	channel.Spec.Messages = v1alpha1.Messages{
		Welcome:     &v1alpha1.MessageText{Text: "Thanks for writing. An agent will answer soon."},
		Goodbye:     &v1alpha1.MessageText{Text: "Your request is closed. Write again any time."},
		Reminder:    &v1alpha1.ReminderText{Text: "Please reply to keep this conversation open.", AfterMinutes: new(int32(1439))},
		Unsupported: &v1alpha1.MessageText{Text: "Sorry, we cannot read this kind of message."},
	}
	channel.Spec.Delivery = v1alpha1.DeliveryHeld
	channel.Spec.Helpdesk = v1alpha1.Helpdesk{Zammad: &v1alpha1.ZammadHelpdesk{
		URL:            "https://zammad.example.com/desk",
		TokenSecretRef: v1alpha1.SecretKeyReference{Name: "zammad", Key: "token"},
		Events:         v1alpha1.HelpdeskEventsPublic,
	}}
	channel.Spec.Callback = v1alpha1.Callback{
		Registration:    v1alpha1.RegistrationAutomatic,
		AppSubscription: v1alpha1.AppSubscriptionCreateIfAbsent,
		Hostname:        "wa.example.com",
		Exposure: v1alpha1.Exposure{Service: &v1alpha1.ServiceExposure{
			Type:          corev1.ServiceTypeLoadBalancer,
			Annotations:   map[string]string{"lb.example.com/pool": "public"},
			TLSSecretName: "wa-example-com",
		}},
		VerifyTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "own-verify-token", Key: "token"},
	}
	channel.Spec.Receiver = v1alpha1.Receiver{
		Storage: v1alpha1.Storage{
			SQLite:      &v1alpha1.SQLiteStorage{Size: new(resource.MustParse("1Gi")), StorageClassName: "fast"},
			WhenDeleted: v1alpha1.WhenDeletedDelete,
		},
		Pod: &v1alpha1.ReceiverPod{
			NodeSelector:              map[string]string{"disk": "fast"},
			Tolerations:               []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway}},
			ImagePullSecrets:          []v1alpha1.ImagePullSecret{{Name: "registry"}},
			Labels:                    map[string]string{"team": "support"},
			Annotations:               map[string]string{"example.com/mesh": "off"},
		},
		Resources: &corev1.ResourceRequirements{
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
		},
	}
	return channel
}

func pod(declared v1alpha1.ReceiverPod) change {
	return func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Pod = &declared }
}

func reminder(text string, afterMinutes *int32) change {
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Messages.Reminder = &v1alpha1.ReminderText{Text: text, AfterMinutes: afterMinutes}
	}
}

type change func(*v1alpha1.WhatsAppChannel)

func TestCreate(t *testing.T) {
	for name, tc := range map[string]struct {
		change change
		// refusal is part of the API server's answer; empty means that the channel is accepted.
		refusal string
	}{
		"the smallest channel":                  {func(*v1alpha1.WhatsAppChannel) {}, ""},
		"every field":                           {func(c *v1alpha1.WhatsAppChannel) { *c = *complete() }, ""},
		"a name of 48 characters":               {func(c *v1alpha1.WhatsAppChannel) { c.Name = strings.Repeat("a", 48) }, ""},
		"a name of 49 characters":               {func(c *v1alpha1.WhatsAppChannel) { c.Name = strings.Repeat("a", 49) }, "metadata.name must have at most 48 characters"},
		"a name that starts with a digit":       {func(c *v1alpha1.WhatsAppChannel) { c.Name = "1st-level" }, "metadata.name must start with a lower-case letter"},
		"a name with a dot":                     {func(c *v1alpha1.WhatsAppChannel) { c.Name = "first.level" }, "metadata.name must start with a lower-case letter"},
		"no business account":                   {func(c *v1alpha1.WhatsAppChannel) { c.Spec.BusinessAccountID = "" }, "spec.businessAccountID"},
		"a business account with letters":       {func(c *v1alpha1.WhatsAppChannel) { c.Spec.BusinessAccountID = "WABA-1" }, "businessAccountID must be the account's number, digits only and in quotes"},
		"no access token":                       {func(c *v1alpha1.WhatsAppChannel) { c.Spec.AccessTokenSecretRef = v1alpha1.SecretKeyReference{} }, "spec.accessTokenSecretRef"},
		"an access token without key":           {func(c *v1alpha1.WhatsAppChannel) { c.Spec.AccessTokenSecretRef.Key = "" }, "spec.accessTokenSecretRef.key"},
		"no app secret":                         {func(c *v1alpha1.WhatsAppChannel) { c.Spec.AppSecretSecretRef = v1alpha1.SecretKeyReference{} }, "spec.appSecretSecretRef"},
		"a Secret name with capitals":           {func(c *v1alpha1.WhatsAppChannel) { c.Spec.AppSecretSecretRef.Name = "Secret" }, "name must be the name of a Secret"},
		"a Secret key with a slash":             {func(c *v1alpha1.WhatsAppChannel) { c.Spec.AppSecretSecretRef.Key = "../token" }, "key must be a key of a Secret"},
		"no target group":                       {func(c *v1alpha1.WhatsAppChannel) { c.Spec.TargetGroup = "" }, "spec.targetGroup"},
		"a target group of 161 characters":      {func(c *v1alpha1.WhatsAppChannel) { c.Spec.TargetGroup = strings.Repeat("g", 161) }, "spec.targetGroup"},
		"a number with plus, blanks and dashes": {func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 (631) 555-1111" }, ""},
		"a number of digits":                    {func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "16315551111" }, ""},
		"a number with letters":                 {func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 631-CALL-US" }, "phoneNumber must be a number in international format"},
		"a number of 16 digits":                 {func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1234567890123456" }, "with 7 to 15 digits"},
		"a number of 6 digits":                  {func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+12 34-56" }, "with 7 to 15 digits"},
		"a welcome without text":                {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Messages.Welcome = &v1alpha1.MessageText{} }, "spec.messages.welcome.text"},
		"a welcome of 4097 characters": {func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Messages.Welcome = &v1alpha1.MessageText{Text: strings.Repeat("é", 4097)}
		}, "spec.messages.welcome.text"},
		"a goodbye without text":      {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Messages.Goodbye = &v1alpha1.MessageText{} }, "spec.messages.goodbye.text"},
		"an unsupported without text": {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Messages.Unsupported = &v1alpha1.MessageText{} }, "spec.messages.unsupported.text"},
		"a reminder without text":     {reminder("", nil), "spec.messages.reminder.text"},
		"a reminder without time":     {reminder("Please reply.", nil), ""},
		"a reminder after 0 minutes":  {reminder("Please reply.", new(int32(0))), "spec.messages.reminder.afterMinutes"},
		"a reminder after 1 minute":   {reminder("Please reply.", new(int32(1))), ""},
		"a reminder after 24 hours":   {reminder("Please reply.", new(int32(1440))), "spec.messages.reminder.afterMinutes"},
		"a helpdesk that is none":     {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Helpdesk = v1alpha1.Helpdesk{} }, ""},
		"Zammad in the cluster":       {zammad("http://zammad-nginx.zammad.svc:8080"), ""},
		"Zammad by another scheme":    {zammad("ftp://zammad.example.com"), "url must start with https:// or http://"},
		"Zammad with a password":      {zammad("https://me:secret@zammad.example.com"), "url must start with https:// or http://"},
		"Zammad with a query":         {zammad("https://zammad.example.com?a=b"), "url must start with https:// or http://"},
		"Zammad with a line break":    {zammad("https://zammad.example.com/a\nb"), "url must start with https:// or http://"},
		"Zammad without a token": {zammad("https://zammad.example.com", func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Helpdesk.Zammad.TokenSecretRef = v1alpha1.SecretKeyReference{}
		}), "spec.helpdesk.zammad.tokenSecretRef"},
		"Zammad with unknown events":  {zammad("https://zammad.example.com", func(c *v1alpha1.WhatsAppChannel) { c.Spec.Helpdesk.Zammad.Events = "Pigeon" }), `supported values: "Internal", "Public", "Poll"`},
		"CloudEvents":                 {cloudEvents("https://events.example.com/whatsapp?key=1"), ""},
		"CloudEvents without a URL":   {cloudEvents(""), "spec.helpdesk.cloudEvents.url"},
		"CloudEvents with a fragment": {cloudEvents("https://events.example.com/#a"), "url must start with https:// or http://"},
		"two helpdesks":               {zammad("https://zammad.example.com", cloudEvents("https://events.example.com")), "helpdesk must have exactly one of zammad and cloudEvents"},
		"active delivery":             {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Delivery = v1alpha1.DeliveryActive }, ""},
		"an unknown delivery":         {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Delivery = "Paused" }, `supported values: "Active", "Held"`},
		"an unknown registration":     {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Registration = "Sometimes" }, `supported values: "Manual", "Automatic"`},
		"an unknown app subscription": {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.AppSubscription = "Replace" }, `supported values: "Keep", "CreateIfAbsent"`},
		"creating an app subscription by hand": {func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.AppSubscription = v1alpha1.AppSubscriptionCreateIfAbsent
		}, "which needs registration: Automatic"},
		"keeping the app subscription by hand": {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.AppSubscription = v1alpha1.AppSubscriptionKeep }, ""},
		"a hostname with a scheme":             {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = "https://wa.example.com" }, "hostname must be a fully qualified DNS name"},
		"a hostname with a port":               {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = "wa.example.com:8443" }, "hostname must be a fully qualified DNS name"},
		"a hostname without a domain":          {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = "localhost" }, "hostname must be a fully qualified DNS name"},
		"a hostname with capitals":             {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Hostname = "WA.example.com" }, "hostname must be a fully qualified DNS name"},
		"a hostname of 79 characters": {func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.Hostname = strings.Repeat("a", 63) + "." + strings.Repeat("b", 15)
		}, ""},
		"a hostname of 80 characters": {func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Callback.Hostname = strings.Repeat("a", 63) + "." + strings.Repeat("b", 16)
		}, "spec.callback.hostname"},
		"a Service without type":                         {serviceExposure(func(s *v1alpha1.ServiceExposure) { s.Type = "" }), "spec.callback.exposure.service.type"},
		"a Service of type ExternalName":                 {serviceExposure(func(s *v1alpha1.ServiceExposure) { s.Type = corev1.ServiceTypeExternalName }), `supported values: "LoadBalancer", "NodePort", "ClusterIP"`},
		"a Service without certificate":                  {serviceExposure(func(s *v1alpha1.ServiceExposure) { s.TLSSecretName = "" }), "spec.callback.exposure.service.tlsSecretName"},
		"a Service with a bad certificate name":          {serviceExposure(func(s *v1alpha1.ServiceExposure) { s.TLSSecretName = "not a name" }), "tlsSecretName must be the name of a Secret"},
		"a Service with 33 annotations":                  {serviceExposure(func(s *v1alpha1.ServiceExposure) { s.Annotations = annotations(33) }), "spec.callback.exposure.service.annotations"},
		"a Service with a long annotation":               {serviceExposure(func(s *v1alpha1.ServiceExposure) { s.Annotations = map[string]string{"k": strings.Repeat("v", 1025)} }), "each annotation may have a key of at most 317"},
		"a route":                                        {httpRoute(), ""},
		"a route to one listener of a Gateway elsewhere": {httpRoute(v1alpha1.GatewayReference{Name: "public", Namespace: "gateways", SectionName: "https"}), ""},
		"a route without Gateway":                        {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Exposure.HTTPRoute = &v1alpha1.HTTPRouteExposure{} }, "spec.callback.exposure.httpRoute.parentRefs"},
		"a route with nine Gateways":                     {httpRoute(make([]v1alpha1.GatewayReference, 9)...), "spec.callback.exposure.httpRoute.parentRefs"},
		"a route to a Gateway without name":              {httpRoute(v1alpha1.GatewayReference{Namespace: "gateways"}), "spec.callback.exposure.httpRoute.parentRefs[0].name"},
		"a route to a bad Gateway name":                  {httpRoute(v1alpha1.GatewayReference{Name: "Public Gateway"}), "name must be the name of a Gateway"},
		"a route to a bad namespace":                     {httpRoute(v1alpha1.GatewayReference{Name: "public", Namespace: "a.b"}), "namespace must be the name of a namespace"},
		"a route to a bad listener":                      {httpRoute(v1alpha1.GatewayReference{Name: "public", SectionName: "HTTPS"}), "sectionName must be the name of a listener"},
		"an Ingress of a class":                          {ingress(v1alpha1.IngressExposure{ClassName: "traefik"}), ""},
		"an Ingress with everything":                     {ingress(v1alpha1.IngressExposure{ClassName: "traefik", TLSSecretName: "wa-tls", Annotations: annotations(32)}), ""},
		"an Ingress that says nothing":                   {ingress(v1alpha1.IngressExposure{}), "spec.callback.exposure.ingress"},
		"an Ingress of a bad class":                      {ingress(v1alpha1.IngressExposure{ClassName: "The Class"}), "className must be the name of an IngressClass"},
		"an Ingress with a bad certificate name":         {ingress(v1alpha1.IngressExposure{TLSSecretName: "not a name"}), "tlsSecretName must be the name of a Secret"},
		"an Ingress with 33 annotations":                 {ingress(v1alpha1.IngressExposure{Annotations: annotations(33)}), "spec.callback.exposure.ingress.annotations"},
		"an Ingress with a long annotation":              {ingress(v1alpha1.IngressExposure{Annotations: map[string]string{"k": strings.Repeat("v", 1025)}}), "each annotation may have a key of at most 317"},
		"two ways in":                                    {serviceExposure(func(*v1alpha1.ServiceExposure) {}, ingress(v1alpha1.IngressExposure{ClassName: "traefik"})), "exposure can be one of httpRoute, ingress and service"},
		"three ways in":                                  {serviceExposure(func(*v1alpha1.ServiceExposure) {}, ingress(v1alpha1.IngressExposure{ClassName: "traefik"}), httpRoute()), "exposure can be one of httpRoute, ingress and service"},
		"a storage of 63Mi":                              {sqlite(func(s *v1alpha1.SQLiteStorage) { s.Size = new(resource.MustParse("63Mi")) }), "size must be at least 64Mi"},
		"two replicas with the embedded database":        {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Replicas = new(int32(2)) }, "more than one replica needs storage.postgres"},
		"one replica with the embedded database":         {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Replicas = new(int32(1)) }, ""},
		"two replicas with PostgreSQL":                   {postgres("", func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Replicas = new(int32(2)) }), ""},
		"no replica":                                     {postgres("", func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Replicas = new(int32(0)) }), "spec.receiver.replicas"},
		"two kinds of storage":                           {postgres("", sqlite(func(*v1alpha1.SQLiteStorage) {})), "storage can be sqlite or postgres, not both"},
		"an empty pod":                                   {pod(v1alpha1.ReceiverPod{}), "spec.receiver.pod"},
		"a pod with the operator's own label":            {pod(v1alpha1.ReceiverPod{Labels: map[string]string{"app.kubernetes.io/name": "other"}}), "are the operator's and Kubernetes' own"},
		"a pod that opens a way for itself":              {pod(v1alpha1.ReceiverPod{Labels: map[string]string{"whatsapp-operator.io/private-api": "true"}}), "are the operator's and Kubernetes' own"},
		"a pod with a label of 64 characters":            {pod(v1alpha1.ReceiverPod{Labels: map[string]string{"team": strings.Repeat("t", 64)}}), "each label may have"},
		"a pod with 33 annotations":                      {pod(v1alpha1.ReceiverPod{Annotations: annotations(33)}), "spec.receiver.pod.annotations"},
		"a pull Secret without a name":                   {pod(v1alpha1.ReceiverPod{ImagePullSecrets: []v1alpha1.ImagePullSecret{{}}}), "spec.receiver.pod.imagePullSecrets[0].name"},
		"a pull Secret with a bad name":                  {pod(v1alpha1.ReceiverPod{ImagePullSecrets: []v1alpha1.ImagePullSecret{{Name: "Registry"}}}), "name must be the name of a Secret"},
		"17 tolerations":                                 {pod(v1alpha1.ReceiverPod{Tolerations: make([]corev1.Toleration, 17)}), "spec.receiver.pod.tolerations"},
		"PostgreSQL without a connection string": {postgres("", func(c *v1alpha1.WhatsAppChannel) {
			c.Spec.Receiver.Storage.Postgres.DSNSecretRef = v1alpha1.SecretKeyReference{}
		}), "spec.receiver.storage.postgres.dsnSecretRef"},
		"a schema of its own":                         {postgres("support_1"), ""},
		"a schema with a capital":                     {postgres("Support"), "schema must be the name of a PostgreSQL schema of its own"},
		"the schema that is everybody's":              {postgres("public"), "schema must be the name of a PostgreSQL schema of its own"},
		"a schema of PostgreSQL itself":               {postgres("pg_toast"), "schema must be the name of a PostgreSQL schema of its own"},
		"a retention of 14 days":                      {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Storage.RetentionDays = new(int32(14)) }, ""},
		"a retention of 13 days":                      {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Storage.RetentionDays = new(int32(13)) }, "spec.receiver.storage.retentionDays"},
		"a storage that is kept or not, who knows":    {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Storage.WhenDeleted = "Ask" }, `supported values: "Retain", "Delete"`},
		"a storage that only says what deletion does": {func(c *v1alpha1.WhatsAppChannel) { c.Spec.Receiver.Storage.WhenDeleted = v1alpha1.WhenDeletedDelete }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			channel := smallest()
			tc.change(channel)
			err := api.Create(t.Context(), channel, client.DryRunAll)
			if tc.refusal == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(tc.refusal)))
		})
	}
}

func TestUpdate(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after change
		refusal       string
	}{
		"another business account": {
			before:  func(*v1alpha1.WhatsAppChannel) {},
			after:   func(c *v1alpha1.WhatsAppChannel) { c.Spec.BusinessAccountID = "1" },
			refusal: "businessAccountID cannot be changed",
		},
		"the number set later": {
			before: func(*v1alpha1.WhatsAppChannel) {},
			after:  func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 631-555-1111" },
		},
		"the number in another writing": {
			before: func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 631-555-1111" },
			after:  func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "16315551111" },
		},
		"another number, which the operator judges": {
			before: func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 631-555-1111" },
			after:  func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 631-555-2222" },
		},
		"the number taken away": {
			before: func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 631-555-1111" },
			after:  func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "" },
		},
		"the number changed to what is none": {
			before:  func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 631-555-1111" },
			after:   func(c *v1alpha1.WhatsAppChannel) { c.Spec.PhoneNumber = "+1 631-CALL-US" },
			refusal: "phoneNumber must be a number in international format",
		},
		"a larger volume": {
			before: sqlite(func(s *v1alpha1.SQLiteStorage) { s.Size = new(resource.MustParse("1Gi")) }),
			after:  sqlite(func(s *v1alpha1.SQLiteStorage) { s.Size = new(resource.MustParse("2Gi")) }),
		},
		"a larger volume taken back": {
			before: sqlite(func(s *v1alpha1.SQLiteStorage) { s.Size = new(resource.MustParse("2Gi")) }),
			after:  sqlite(func(s *v1alpha1.SQLiteStorage) { s.Size = new(resource.MustParse("1000Mi")) }),
		},
		"the size taken away": {
			before: sqlite(func(s *v1alpha1.SQLiteStorage) {
				s.Size, s.StorageClassName = new(resource.MustParse("2Gi")), "fast"
			}),
			after: sqlite(func(s *v1alpha1.SQLiteStorage) { s.StorageClassName = "fast" }),
		},
		"a volume that is too small": {
			before:  sqlite(func(s *v1alpha1.SQLiteStorage) { s.Size = new(resource.MustParse("1Gi")) }),
			after:   sqlite(func(s *v1alpha1.SQLiteStorage) { s.Size = new(resource.MustParse("63Mi")) }),
			refusal: "size must be at least 64Mi",
		},
		"another storage class": {
			before:  sqlite(func(s *v1alpha1.SQLiteStorage) { s.StorageClassName = "fast" }),
			after:   sqlite(func(s *v1alpha1.SQLiteStorage) { s.StorageClassName = "slow" }),
			refusal: "storageClassName cannot be changed",
		},
		"another schema": {
			before:  postgres("one"),
			after:   postgres("two"),
			refusal: "schema cannot be changed",
		},
		"a schema taken away": {
			before:  postgres("one"),
			after:   postgres(""),
			refusal: "schema cannot be changed",
		},
		"another connection string": {
			before: postgres("one"),
			after: postgres("one", func(c *v1alpha1.WhatsAppChannel) {
				c.Spec.Receiver.Storage.Postgres.DSNSecretRef.Key = "another"
			}),
		},
		"everything else": {
			before: func(c *v1alpha1.WhatsAppChannel) { *c = *complete() },
			after: func(c *v1alpha1.WhatsAppChannel) {
				c.Spec.AccessTokenSecretRef.Name = "another"
				c.Spec.AppSecretSecretRef.Key = "another"
				c.Spec.Messages = v1alpha1.Messages{}
				c.Spec.TargetGroup = "1st Level"
				c.Spec.Callback = v1alpha1.Callback{Registration: v1alpha1.RegistrationManual}
				c.Spec.Receiver.Resources = nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			channel := smallest()
			tc.before(channel)
			g.Expect(api.Create(t.Context(), channel)).To(Succeed())
			remove(t, smallest())

			tc.after(channel)
			err := api.Update(t.Context(), channel)
			if tc.refusal == "" {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(ContainSubstring(tc.refusal)))
			}
		})
	}
}

// A tool that reads status by kstatus must not take a channel for current before the operator has seen it.
func TestStatusStartsUnobserved(t *testing.T) {
	g := NewWithT(t)
	channel := smallest()
	g.Expect(api.Create(t.Context(), channel, client.DryRunAll)).To(Succeed())
	g.Expect(channel.Status.ObservedGeneration).To(HaveValue(BeEquivalentTo(-1)))
}

// The spec that a user applies is the spec that is stored: a default would show as drift in GitOps tools.
func TestSpecHasNoDefaults(t *testing.T) {
	g := NewWithT(t)
	channel := smallest()
	g.Expect(api.Create(t.Context(), channel, client.DryRunAll)).To(Succeed())
	g.Expect(channel.Spec).To(Equal(smallest().Spec))
}

func TestFieldSelectors(t *testing.T) {
	g := NewWithT(t)
	g.Expect(api.Create(t.Context(), smallest())).To(Succeed())
	remove(t, smallest())

	for selector, want := range map[string]int{
		"spec.businessAccountID=102290129340398": 1,
		"spec.businessAccountID=1":               0,
		"spec.targetGroup=2nd Level":             1,
		"status.phoneNumber.id=1":                0,
	} {
		var channels v1alpha1.WhatsAppChannelList
		g.Expect(api.List(t.Context(), &channels, &client.ListOptions{Raw: &metav1.ListOptions{FieldSelector: selector}})).
			To(Succeed(), selector)
		g.Expect(channels.Items).To(HaveLen(want), selector)
	}
}

// remove deletes the channel when the test ends, whose own context is over by then.
func remove(t *testing.T, channel *v1alpha1.WhatsAppChannel) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		if err := api.Delete(ctx, channel); err != nil {
			t.Errorf("could not delete the channel: %v", err)
		}
	})
}

func serviceExposure(change func(*v1alpha1.ServiceExposure), more ...change) change {
	return func(c *v1alpha1.WhatsAppChannel) {
		service := complete().Spec.Callback.Exposure.Service
		change(service)
		c.Spec.Callback.Exposure.Service = service
		for _, m := range more {
			m(c)
		}
	}
}

func zammad(url string, more ...change) change {
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Helpdesk.Zammad = &v1alpha1.ZammadHelpdesk{URL: url, TokenSecretRef: v1alpha1.SecretKeyReference{Name: "zammad", Key: "token"}}
		for _, f := range more {
			f(c)
		}
	}
}

func cloudEvents(url string) change {
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Helpdesk.CloudEvents = &v1alpha1.CloudEventsHelpdesk{URL: url}
	}
}

// httpRoute exposes the channel through Gateways, or through one.
func httpRoute(parents ...v1alpha1.GatewayReference) change {
	if len(parents) == 0 {
		parents = []v1alpha1.GatewayReference{{Name: "public"}}
	}
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Callback.Exposure.HTTPRoute = &v1alpha1.HTTPRouteExposure{ParentRefs: parents}
	}
}

func ingress(exposure v1alpha1.IngressExposure) change {
	return func(c *v1alpha1.WhatsAppChannel) { c.Spec.Callback.Exposure.Ingress = &exposure }
}

func sqlite(change func(*v1alpha1.SQLiteStorage)) change {
	return func(c *v1alpha1.WhatsAppChannel) {
		if c.Spec.Receiver.Storage.SQLite == nil {
			c.Spec.Receiver.Storage.SQLite = &v1alpha1.SQLiteStorage{}
		}
		change(c.Spec.Receiver.Storage.SQLite)
	}
}

func postgres(schema string, more ...change) change {
	return func(c *v1alpha1.WhatsAppChannel) {
		c.Spec.Receiver.Storage.Postgres = &v1alpha1.PostgresStorage{
			DSNSecretRef: v1alpha1.SecretKeyReference{Name: "database", Key: "dsn"}, Schema: schema,
		}
		for _, f := range more {
			f(c)
		}
	}
}

func annotations(n int) map[string]string {
	all := make(map[string]string, n)
	for i := range n {
		all[fmt.Sprintf("lb.example.com/%d", i)] = "x"
	}
	return all
}
