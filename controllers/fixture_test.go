package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/test/leaksink"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var counter atomic.Int64

// fixture is a namespace, and an account at Meta with one phone number, of one spec.
type fixture struct {
	ctx       context.Context
	namespace string
	app       cloudapitest.App
	account   cloudapitest.BusinessAccount
	number    cloudapitest.PhoneNumber
	token     string
}

const secretName = "whatsapp-support"

// newFixture makes what a channel needs. What it makes is gone when the spec is over.
func newFixture() *fixture {
	n := counter.Add(1)
	f := &fixture{ctx: context.Background(), namespace: fmt.Sprintf("helpdesk-%d", n)}
	// The API server stamps objects with the real time, and earlier specs turned the clock.
	clock.SetTime(time.Now())
	door.reset()
	simulator.Heal()
	receiver.say(config.Status{}, nil)
	Expect(api.Create(f.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}})).To(Succeed())
	f.app = simulator.AddApp(cloudapitest.App{})
	f.account = simulator.AddBusinessAccount(cloudapitest.BusinessAccount{})
	f.number = f.addNumber(fmt.Sprintf("+1 631-555-%04d", n))
	f.token = f.issue(cloudapitest.Token{})
	simulator.SubscribeApp(f.app.ID, "https://app.example.com/webhook")
	leaksink.Register(f.app.Secret)
	f.createSecret(secretName, f.token, f.app.Secret)
	DeferCleanup(f.cleanUp)
	return f
}

func (f *fixture) addNumber(display string) cloudapitest.PhoneNumber {
	leaksink.Register(cloudapi.Digits(display))
	return simulator.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: f.account.ID, DisplayPhoneNumber: display, VerifiedName: "Example Support"})
}

func (f *fixture) issue(t cloudapitest.Token) string {
	t.AppID = f.app.ID
	if t.BusinessAccountIDs == nil {
		t.BusinessAccountIDs = []string{f.account.ID}
	}
	token := simulator.IssueToken(t)
	leaksink.Register(token)
	return token
}

func (f *fixture) createSecret(name, token, appSecret string) {
	Expect(api.Create(f.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace, Labels: map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel}},
		StringData: map[string]string{"access-token": token, "app-secret": appSecret},
	})).To(Succeed())
}

// setSecret changes values of the Secret with the credentials.
func (f *fixture) setSecret(values map[string]string) {
	secret := &corev1.Secret{}
	f.get(secretName, secret)
	for key, value := range values {
		secret.Data[key] = []byte(value)
	}
	Expect(api.Update(f.ctx, secret)).To(Succeed())
}

// channel is a channel with Automatic registration, as most specs want it.
func (f *fixture) channel(change ...func(*v1alpha1.WhatsAppChannel)) *v1alpha1.WhatsAppChannel {
	channel := &v1alpha1.WhatsAppChannel{
		ObjectMeta: metav1.ObjectMeta{Name: "support", Namespace: f.namespace},
		Spec: v1alpha1.WhatsAppChannelSpec{
			BusinessAccountID:    f.account.ID,
			AccessTokenSecretRef: v1alpha1.SecretKeyReference{Name: secretName, Key: "access-token"},
			AppSecretSecretRef:   v1alpha1.SecretKeyReference{Name: secretName, Key: "app-secret"},
			TargetGroup:          "2nd Level",
			Callback:             v1alpha1.Callback{Hostname: publicHostname, Registration: v1alpha1.RegistrationAutomatic},
		},
	}
	for _, c := range change {
		c(channel)
	}
	return channel
}

func manual(c *v1alpha1.WhatsAppChannel) {
	c.Spec.Callback.Registration = v1alpha1.RegistrationManual
}

func (f *fixture) create(change ...func(*v1alpha1.WhatsAppChannel)) *v1alpha1.WhatsAppChannel {
	GinkgoHelper()
	channel := f.channel(change...)
	Expect(api.Create(f.ctx, channel)).To(Succeed())
	return channel
}

// outlast waits until a channel that is made now is younger than another. The API server stamps them with whole seconds.
func outlast(older *v1alpha1.WhatsAppChannel) {
	GinkgoHelper()
	Eventually(time.Now).Should(BeTemporally(">=", older.CreationTimestamp.Add(time.Second)))
}

// createReady makes a channel and its receiver's pod, and waits until the channel is ready.
func (f *fixture) createReady(change ...func(*v1alpha1.WhatsAppChannel)) *v1alpha1.WhatsAppChannel {
	GinkgoHelper()
	channel := f.create(change...)
	f.runReceiver(channel)
	Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	return channel
}

// runReceiver does what the cluster's controllers and kubelets would: the receiver's pod becomes available, and so do those
// that follow it when its Deployment changes, until the spec is over.
func (f *fixture) runReceiver(channel *v1alpha1.WhatsAppChannel) {
	GinkgoHelper()
	f.setReplicas(channel, 1)
	name := client.ObjectKey{Namespace: channel.Namespace, Name: manifests.ReceiverName(channel.Name)}
	untilTheSpecIsOver(func(ctx context.Context) {
		deployment := &appsv1.Deployment{}
		if api.Get(ctx, name, deployment) == nil {
			makeAvailable(ctx, deployment)
		}
	})
}

func (f *fixture) setReplicas(channel *v1alpha1.WhatsAppChannel, available int32) {
	GinkgoHelper()
	Eventually(func() error {
		deployment := &appsv1.Deployment{}
		if err := api.Get(f.ctx, client.ObjectKey{Namespace: channel.Namespace, Name: manifests.ReceiverName(channel.Name)}, deployment); err != nil {
			return err
		}
		deployment.Status = appsv1.DeploymentStatus{
			ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1,
			ReadyReplicas: available, AvailableReplicas: available, UnavailableReplicas: 1 - available,
		}
		return api.Status().Update(f.ctx, deployment)
	}).Should(Succeed())
}

func (f *fixture) get(name string, object client.Object) {
	GinkgoHelper()
	Expect(api.Get(f.ctx, client.ObjectKey{Namespace: f.namespace, Name: name}, object)).To(Succeed())
}

func (f *fixture) absent(name string, object client.Object) func() bool {
	return func() bool {
		return apierrors.IsNotFound(api.Get(f.ctx, client.ObjectKey{Namespace: f.namespace, Name: name}, object))
	}
}

// current reads a channel, and checks that its status follows the rules of kstatus.
func (f *fixture) current(channel *v1alpha1.WhatsAppChannel) *v1alpha1.WhatsAppChannel {
	GinkgoHelper()
	read := &v1alpha1.WhatsAppChannel{}
	Expect(api.Get(f.ctx, client.ObjectKeyFromObject(channel), read)).To(Succeed())
	Expect(kstatusViolations(read)).To(BeEmpty())
	return read
}

// change updates a channel's spec or metadata.
func (f *fixture) change(channel *v1alpha1.WhatsAppChannel, change func(*v1alpha1.WhatsAppChannel)) {
	GinkgoHelper()
	Eventually(func() error {
		read := f.current(channel)
		change(read)
		return api.Update(f.ctx, read)
	}).Should(Succeed())
}

func (f *fixture) annotate(channel *v1alpha1.WhatsAppChannel, key, value string) {
	GinkgoHelper()
	f.change(channel, func(c *v1alpha1.WhatsAppChannel) {
		annotations := maps.Clone(c.Annotations)
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[key] = value
		c.Annotations = annotations
	})
}

// poke makes the operator look at a channel, without anything to do.
func (f *fixture) poke(channel *v1alpha1.WhatsAppChannel) {
	GinkgoHelper()
	f.annotate(channel, "example.com/poke", strconv.FormatInt(counter.Add(1), 10))
}

// request asks the operator for a refresh, and waits until it was done.
func (f *fixture) request(channel *v1alpha1.WhatsAppChannel) {
	GinkgoHelper()
	value := strconv.FormatInt(counter.Add(1), 10)
	f.annotate(channel, v1alpha1.RequestedAtAnnotation, value)
	Eventually(func() string { return f.current(channel).Status.LastHandledRequest }).Should(Equal(value))
}

// condition returns a condition of a channel that is up to date with its spec.
func (f *fixture) condition(channel *v1alpha1.WhatsAppChannel, conditionType string) func() metav1.Condition {
	return func() metav1.Condition {
		GinkgoHelper()
		read := f.current(channel)
		for _, condition := range read.Status.Conditions {
			if condition.Type == conditionType && condition.ObservedGeneration == read.Generation {
				return condition
			}
		}
		return metav1.Condition{}
	}
}

// outwait lets the time pass in which the operator waits for the callback URL to answer, and looks at WebhookRegistered.
func (f *fixture) outwait(channel *v1alpha1.WhatsAppChannel) AsyncAssertion {
	return f.waitBy(channel, 20*time.Second)
}

// waitBy does so in steps of the given length: a probe that was under way when the clock was set counts from after that.
// Each step changes the channel, so it is a second until the next, which the operator can keep up with.
func (f *fixture) waitBy(channel *v1alpha1.WhatsAppChannel, step time.Duration) AsyncAssertion {
	return Eventually(func() metav1.Condition {
		GinkgoHelper()
		if f.condition(channel, v1alpha1.ConditionWebhookRegistered)().Reason == v1alpha1.ReasonWaitingForCallback {
			clock.Step(step)
			f.poke(channel)
		}
		return f.condition(channel, v1alpha1.ConditionWebhookRegistered)()
	}).WithPolling(time.Second)
}

func beTrue(reason string, message ...string) types.GomegaMatcher {
	return be(metav1.ConditionTrue, reason, message...)
}

func beFalse(reason string, message ...string) types.GomegaMatcher {
	return be(metav1.ConditionFalse, reason, message...)
}

func beUnknown(reason string, message ...string) types.GomegaMatcher {
	return be(metav1.ConditionUnknown, reason, message...)
}

// be matches a condition with parts of its message.
func be(status metav1.ConditionStatus, reason string, message ...string) types.GomegaMatcher {
	matchers := []types.GomegaMatcher{HaveField("Status", status), HaveField("Reason", reason)}
	for _, part := range message {
		matchers = append(matchers, HaveField("Message", ContainSubstring(part)))
	}
	return And(matchers...)
}

func (f *fixture) callbackURL(channel *v1alpha1.WhatsAppChannel) string {
	return "https://" + publicHostname + "/" + channel.Namespace + "/" + channel.Name
}

// override is the callback URL that Meta has for a phone number of its own.
func (f *fixture) override() string {
	GinkgoHelper()
	graph, err := cloudapi.NewClient(cloudapi.Options{BaseURL: simulator.URL, Version: graphVersion})
	Expect(err).NotTo(HaveOccurred())
	configuration, err := graph.WebhookConfiguration(f.ctx, cloudapi.Token(f.issue(cloudapitest.Token{})), f.number.ID)
	Expect(err).NotTo(HaveOccurred())
	return configuration.PhoneNumber
}

// versions are the resourceVersions of all that belongs to a channel.
func (f *fixture) versions(channel *v1alpha1.WhatsAppChannel) map[string]string {
	GinkgoHelper()
	versions := map[string]string{}
	receiverName := manifests.ReceiverName(channel.Name)
	for _, child := range []struct {
		name   string
		object client.Object
	}{
		{receiverName, &appsv1.Deployment{}},
		{receiverName, &corev1.Service{}},
		{receiverName, &corev1.ConfigMap{}},
		{receiverName, &corev1.ServiceAccount{}},
		{manifests.DataName(channel.Name), &corev1.PersistentVolumeClaim{}},
		{manifests.VerifyTokenName(channel.Name), &corev1.Secret{}},
		{manifests.APIName(channel.Name), &corev1.Secret{}},
		{manifests.AuthorityName(channel.Name), &corev1.Secret{}},
	} {
		Expect(api.Get(f.ctx, client.ObjectKey{Namespace: channel.Namespace, Name: child.name}, child.object)).To(Succeed())
		versions[fmt.Sprintf("%T %s", child.object, child.name)] = string(child.object.GetUID()) + "/" + child.object.GetResourceVersion()
	}
	return versions
}

// cleanUp deletes the channels of the spec, with a Meta that works.
func (f *fixture) cleanUp() {
	simulator.Heal()
	Expect(client.IgnoreNotFound(api.DeleteAllOf(f.ctx, &v1alpha1.WhatsAppChannel{}, client.InNamespace(f.namespace)))).To(Succeed())
	Eventually(func() ([]v1alpha1.WhatsAppChannel, error) {
		channels := &v1alpha1.WhatsAppChannelList{}
		err := api.List(f.ctx, channels, client.InNamespace(f.namespace))
		return channels.Items, err
	}).Should(BeEmpty())
}

func (f *fixture) deployment() *appsv1.Deployment {
	GinkgoHelper()
	deployment := &appsv1.Deployment{}
	f.get("support-receiver", deployment)
	return deployment
}

func (f *fixture) gone(channel *v1alpha1.WhatsAppChannel) func() bool {
	return f.absent(channel.Name, &v1alpha1.WhatsAppChannel{})
}

// delete deletes a channel and waits until it is gone.
func (f *fixture) delete(channel *v1alpha1.WhatsAppChannel) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(api.Delete(f.ctx, channel))).To(Succeed())
	Eventually(f.gone(channel)).Should(BeTrue())
}

// deleteChildren does what the garbage collector would: what a deleted channel owned goes.
func (f *fixture) deleteChildren() {
	GinkgoHelper()
	for _, kind := range []client.Object{
		&appsv1.Deployment{}, &corev1.Service{}, &corev1.ConfigMap{}, &corev1.ServiceAccount{}, &networkingv1.NetworkPolicy{},
	} {
		Expect(api.DeleteAllOf(f.ctx, kind, client.InNamespace(f.namespace), client.MatchingLabels(manifests.Labels("support")))).To(Succeed())
	}
	for _, name := range []string{"support-api", "support-authority"} {
		Expect(api.Delete(f.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace}})).To(Succeed())
	}
}

func (f *fixture) expectEvent(reason string) {
	GinkgoHelper()
	Eventually(func() ([]eventsv1.Event, error) {
		events := &eventsv1.EventList{}
		err := api.List(f.ctx, events, client.InNamespace(f.namespace))
		return events.Items, err
	}).Should(ContainElement(And(HaveField("Reason", reason), HaveField("Regarding.Name", "support"))))
}

func text(s string) *v1alpha1.MessageText { return &v1alpha1.MessageText{Text: s} }

// failing lets every call about one object fail.
func failing(object string) cloudapitest.Failure {
	return cloudapitest.Failure{Object: object, Code: 2}
}

func deployment(name string) *appsv1.Deployment {
	labels := map[string]string{"app": "other"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "other", Image: "example.com/other"}}},
			},
		},
	}
}

func service(name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}
}

func claim(name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}
