package controllers

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// TestGraphBudget runs hours of many channels of one account in simulated time, and counts what they ask Meta. Meta allows
// an app 200 calls an hour for each account. It prints the figure that `make bench` names graph.requests_per_account_hour:
//
//	go test -run '^TestGraphBudget$' -v ./controllers
func TestGraphBudget(t *testing.T) {
	const channels = budgetChannels
	world := newSimulation(t, channels)
	if created := world.countHour(); created >= 200 {
		t.Errorf("%d new channels asked Meta %d times in an hour", channels, created)
	}
	for _, name := range world.names() {
		if ready := condition(world.channel(name), v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
			t.Fatalf("%s is not ready: %s", name, ready.Message)
		}
	}

	rest := world.countHour()
	t.Logf("graph.requests_per_account_hour: %d requests", rest)
	if rest >= 20 {
		t.Errorf("%d channels at rest asked Meta %d times in an hour", channels, rest)
	}
	for _, name := range world.names() {
		if age := world.clock.Since(world.channel(name).Status.Graph.LastRefreshTime.Time); age > refreshInterval+refreshJitter {
			t.Errorf("what %s says of Meta is %v old", name, age)
		}
	}

	world.rotate()
	if rotated := world.countHour(); rotated >= 200 {
		t.Errorf("%d channels asked Meta %d times in the hour of a rotation", channels, rotated)
	}
}

func TestGraphBudgetInTrouble(t *testing.T) {
	const channels = 20
	world := newSimulation(t, channels)
	world.countHour()
	world.everyWakeUp = true
	if rest := world.countHour(); rest >= 20 {
		t.Errorf("%d channels at rest, which look at other things than Meta, asked it %d times in an hour", channels, rest)
	}

	stranger := world.simulator.IssueToken(cloudapitest.Token{AppID: world.app.ID, BusinessAccountIDs: []string{}})
	for secret, token := range map[string]string{"bogus": "EAAnotatoken", "stranger": stranger} {
		world.createSecret(secret, token, world.app.Secret)
		world.add("with-"+secret, secret, "")
	}
	world.countHour()
	for _, secret := range []string{"bogus", "stranger"} {
		status := world.channel("with-" + secret).Status
		if status.PhoneNumber != nil || len(status.AvailablePhoneNumbers) > 0 || status.Registration != nil {
			t.Errorf("a channel with the token %q sees what others fetched: %+v", secret, status)
		}
	}

	world.simulator.Fail(cloudapitest.Failure{Code: 2})
	if outage := world.countHour(); outage >= 3*channels {
		t.Errorf("%d channels asked a Meta that does not answer %d times in an hour", channels, outage)
	}
	world.simulator.Heal()
	world.countHour()

	world.simulator.RevokeToken(world.token)
	if revoked := world.countHour(); revoked >= 20 {
		t.Errorf("%d channels with a token that was revoked asked Meta %d times in an hour", channels, revoked)
	}
}

// simulation is an operator without a cluster, in simulated time: each channel is reconciled when the operator asked for
// it, one after the other.
type simulation struct {
	t          *testing.T
	clock      *clocktesting.FakeClock
	simulator  *cloudapitest.Server
	cluster    client.Client
	reconciler *Reconciler

	app     cloudapitest.App
	account cloudapitest.BusinessAccount
	token   string
	due     map[string]time.Time
	// channels are the channels as the cache has them.
	channels map[string]*v1alpha1.WhatsAppChannel
	// everyWakeUp also reconciles when the operator wants to look at something else than Meta, which takes long.
	everyWakeUp bool
}

const simulatedNamespace = "helpdesk"

// newSimulation makes an operator, and channels of one account with one token, each with a phone number.
func newSimulation(t *testing.T, channels int) *simulation {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.WhatsAppChannel{}, &appsv1.Deployment{})
	s := &simulation{
		t: t, clock: clocktesting.NewFakeClock(time.Now()),
		due: map[string]time.Time{}, channels: map[string]*v1alpha1.WhatsAppChannel{},
	}
	s.cluster = builder.WithInterceptorFuncs(interceptor.Funcs{List: s.list}).Build()
	s.simulator = cloudapitest.NewServer(cloudapitest.WithClock(s.clock))
	t.Cleanup(s.simulator.Close)
	s.app = s.simulator.AddApp(cloudapitest.App{})
	s.account = s.simulator.AddBusinessAccount(cloudapitest.BusinessAccount{})
	s.token = s.issue()
	graph, err := cloudapi.NewClient(cloudapi.Options{BaseURL: s.simulator.URL, Version: "v25.0"})
	if err != nil {
		t.Fatal(err)
	}
	s.reconciler = &Reconciler{
		Client: s.cluster, Live: s.cluster, GraphAPI: ProvingGraph(graph),
		Prober: reachableEverywhere{}, ReceiverStatus: silentReceivers{}, Recorder: &events.FakeRecorder{},
		Clock: s.clock, Random: rand.Reader,
		Options: Options{
			Graph:            manifests.Graph{BaseURL: s.simulator.URL, Version: "v25.0"},
			ReceiverImage:    "registry.example.com/whatsapp-operator:test",
			CallbackHostname: "wa.example.com",
		},
		graph:   newSharedGraph(ProvingGraph(graph), s.clock),
		secrets: &secretReader{metadata: s.cluster, live: s.cluster},
	}
	s.createSecret("shared", s.token, s.app.Secret)
	for i := range channels {
		s.add(fmt.Sprintf("channel-%03d", i), "shared", s.addNumber(i).DisplayPhoneNumber)
	}
	return s
}

// list finds channels by an index, as the cache does. The fake client would decode all of them each time.
func (s *simulation) list(_ context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	channels, ok := list.(*v1alpha1.WhatsAppChannelList)
	if !ok {
		return fmt.Errorf("the simulation does not list %T", list)
	}
	wanted := (&client.ListOptions{}).ApplyOptions(options).FieldSelector.Requirements()
	for _, channel := range s.channels {
		if slices.Contains(channelIndexes[wanted[0].Field](channel), wanted[0].Value) {
			channels.Items = append(channels.Items, *channel)
		}
	}
	return nil
}

// reachableEverywhere is a front door that always leads to the receiver.
type reachableEverywhere struct{}

func (reachableEverywhere) Probe(context.Context, string, string, string) error { return nil }

// silentReceivers have nothing to tell.
type silentReceivers struct{}

func (silentReceivers) ReceiverStatus(context.Context, string, string, PrivateAPI) (config.Status, error) {
	return config.Status{}, nil
}

func (s *simulation) issue() string {
	return s.simulator.IssueToken(cloudapitest.Token{AppID: s.app.ID, BusinessAccountIDs: []string{s.account.ID}})
}

// addNumber adds a phone number whose webhooks go to its channel already, as a person would have set it up.
func (s *simulation) addNumber(i int) cloudapitest.PhoneNumber {
	number := s.simulator.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: s.account.ID, DisplayPhoneNumber: fmt.Sprintf("+1 631-555-%04d", i)})
	url := "https://wa.example.com" + config.CallbackPath(simulatedNamespace, fmt.Sprintf("channel-%03d", i))
	s.simulator.SetOverride(number.ID, s.app.ID, url)
	s.simulator.SubscribeApp(s.app.ID, "https://app.example.com/webhook", "messages")
	s.simulator.SubscribeAccount(s.account.ID, s.app.ID)
	return number
}

func (s *simulation) create(object client.Object) {
	s.t.Helper()
	if err := s.cluster.Create(s.t.Context(), object); err != nil {
		s.t.Fatal(err)
	}
}

func (s *simulation) createSecret(name, token, appSecret string) {
	s.t.Helper()
	s.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: simulatedNamespace, Labels: map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel}},
		Data:       map[string][]byte{"access-token": []byte(token), "app-secret": []byte(appSecret)},
	})
}

// rotate puts a new access token into the Secret that all channels share, and wakes them, as its watch would.
func (s *simulation) rotate() {
	s.t.Helper()
	s.token = s.issue()
	secret := &corev1.Secret{}
	s.get("shared", secret)
	secret.Data["access-token"] = []byte(s.token)
	if err := s.cluster.Update(s.t.Context(), secret); err != nil {
		s.t.Fatal(err)
	}
	for channel := range s.due {
		s.due[channel] = s.clock.Now()
	}
}

func (s *simulation) add(name, secret, phoneNumber string) {
	s.t.Helper()
	s.create(&v1alpha1.WhatsAppChannel{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: simulatedNamespace, UID: types.UID("uid-of-" + name), CreationTimestamp: metav1.Time{Time: s.clock.Now()}},
		Spec: v1alpha1.WhatsAppChannelSpec{
			BusinessAccountID:    s.account.ID,
			AccessTokenSecretRef: v1alpha1.SecretKeyReference{Name: secret, Key: "access-token"},
			AppSecretSecretRef:   v1alpha1.SecretKeyReference{Name: secret, Key: "app-secret"},
			PhoneNumber:          phoneNumber,
			TargetGroup:          "2nd Level",
		},
	})
	s.due[name], s.channels[name] = s.clock.Now(), s.channel(name)
}

func (s *simulation) get(name string, into client.Object) {
	s.t.Helper()
	if err := s.cluster.Get(s.t.Context(), client.ObjectKey{Namespace: simulatedNamespace, Name: name}, into); err != nil {
		s.t.Fatal(err)
	}
}

func (s *simulation) channel(name string) *v1alpha1.WhatsAppChannel {
	s.t.Helper()
	channel := &v1alpha1.WhatsAppChannel{}
	s.get(name, channel)
	return channel
}

func (s *simulation) names() []string { return slices.Sorted(maps.Keys(s.due)) }

// countHour lets an hour pass, and returns how often Meta was asked meanwhile.
func (s *simulation) countHour() int {
	s.t.Helper()
	end := s.clock.Now().Add(refreshInterval)
	before := s.simulator.Count()
	for {
		next, at := "", end
		for name, due := range s.due {
			if due.Before(at) || (due.Equal(at) && next != "" && name < next) {
				next, at = name, due
			}
		}
		if next == "" {
			s.clock.SetTime(end)
			return s.simulator.Count() - before
		}
		if at.After(s.clock.Now()) {
			s.clock.SetTime(at)
		}
		s.reconcile(next)
	}
}

func (s *simulation) reconcile(name string) {
	s.t.Helper()
	key := types.NamespacedName{Namespace: simulatedNamespace, Name: name}
	before := claimed(s.channels[name])
	result, err := s.reconciler.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		s.t.Fatalf("reconcile %s: %v", name, err)
	}
	channel := s.channel(name)
	s.channels[name] = channel
	wait := result.RequeueAfter
	if at, ok := nextGraphAttempt(&scope{channel: channel, now: s.clock.Now()}, channel.Status.Graph); ok && !s.everyWakeUp && result.RequeueAfter > time.Second {
		wait = max(at.Sub(s.clock.Now()), time.Second)
	}
	if wait == 0 {
		wait = 24 * time.Hour
	}
	if claimed(channel) != before || s.startReceiver(name) {
		// The watches of channels and Deployments would tell.
		wait = time.Second
	}
	s.due[name] = s.clock.Now().Add(wait)
}

// startReceiver lets a Deployment that does not run yet become available, and reports whether there was one.
func (s *simulation) startReceiver(name string) bool {
	s.t.Helper()
	deployment := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: simulatedNamespace, Name: manifests.ReceiverName(name)}
	if err := s.cluster.Get(s.t.Context(), key, deployment); err != nil || deployment.Status.AvailableReplicas > 0 {
		return false
	}
	// The fake client gives objects no UID.
	deployment.UID = types.UID("uid-of-" + deployment.Name)
	if err := s.cluster.Update(s.t.Context(), deployment); err != nil {
		s.t.Fatal(err)
	}
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
	}
	if err := s.cluster.Status().Update(s.t.Context(), deployment); err != nil {
		s.t.Fatal(err)
	}
	return true
}

func condition(channel *v1alpha1.WhatsAppChannel, conditionType string) metav1.Condition {
	for _, c := range channel.Status.Conditions {
		if c.Type == conditionType {
			return c
		}
	}
	return metav1.Condition{}
}
