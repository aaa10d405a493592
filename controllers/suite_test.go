package controllers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	controllerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/controllers"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/probe"
	"github.com/whatsapp-operator/whatsapp-operator/test/leaksink"
)

const (
	graphVersion  = "v25.0"
	receiverImage = "registry.example.com/whatsapp-operator:test"
)

var (
	environment *envtest.Environment
	// scheme has what the specs look at, besides what the operator does.
	scheme = func() *runtime.Scheme {
		scheme := controllers.NewScheme()
		utilruntime.Must(eventsv1.AddToScheme(scheme))
		utilruntime.Must(rbacv1.AddToScheme(scheme))
		utilruntime.Must(storagev1.AddToScheme(scheme))
		utilruntime.Must(admissionregistrationv1.AddToScheme(scheme))
		return scheme
	}()
	// api is an administrator's client, past any cache.
	api client.Client
	// operatorConfig is that of a user with exactly the rights of config/rbac/role.yaml.
	operatorConfig *rest.Config
	// requests counts what the operator asks of the API server.
	requests  = &requestCounter{}
	simulator *cloudapitest.Server
	door      *frontDoor
	// clock is the operator's and Meta's. It starts at the real time, because the API server stamps objects with that.
	clock    *clocktesting.FakeClock
	receiver = &fakeReceivers{}
	operator *runningOperator
)

func TestMain(m *testing.M) {
	logger := leaksink.Logger()
	ctrl.SetLogger(logger.WithSink(asVerboseAsFlagsAllow{logger.GetSink()}))
	os.Exit(leaksink.Run(m))
}

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	RunSpecs(t, "controllers")
}

var _ = BeforeSuite(func() {
	environment = &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		// A busy machine takes longer than the defaults of 20 and 10 seconds.
		ControlPlaneStartTimeout: 2 * time.Minute, ControlPlaneStopTimeout: 2 * time.Minute,
		CRDInstallOptions: envtest.CRDInstallOptions{MaxTime: time.Minute},
	}
	admin, err := environment.Start()
	Expect(err).NotTo(HaveOccurred(), "make test sets KUBEBUILDER_ASSETS")
	DeferCleanup(environment.Stop)
	DeferCleanup(stopSecondAPIServer)
	api, err = client.New(admin, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	operatorConfig = operatorUser()

	clock = clocktesting.NewFakeClock(time.Now())
	door = newFrontDoor()
	DeferCleanup(door.close)
	simulator = cloudapitest.NewServer(cloudapitest.WithClock(clock), cloudapitest.WithRootCAs(door.roots()), cloudapitest.WithDialer(door.dialMeta))
	DeferCleanup(simulator.Close)
	operator = startOperator()
	DeferCleanup(func() { operator.stop() })
})

// T1, T17: whatever a spec did, its channels can be waited for, and the operator tried nothing that it may not do.
var _ = AfterEach(func() {
	Expect(requests.forbiddenRequests()).To(BeEmpty(), "the operator lacks rights")
	Eventually(func(g Gomega) {
		channels := &v1alpha1.WhatsAppChannelList{}
		g.Expect(api.List(context.Background(), channels)).To(Succeed())
		for i := range channels.Items {
			g.Expect(kstatusViolations(&channels.Items[i])).To(BeEmpty())
			g.Expect(kstatusOutdated(&channels.Items[i])).To(BeFalse(), "a status must come to speak of the spec that there is")
		}
	}).Should(Succeed())
})

// operatorUser makes a user with exactly the rights that the generated role gives, so that a right that is missing
// fails the specs.
func operatorUser() *rest.Config {
	manifest, err := os.ReadFile(filepath.Join("..", "config", "rbac", "role.yaml"))
	Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.ClusterRole{}
	Expect(yaml.UnmarshalStrict(manifest, role)).To(Succeed())
	Expect(api.Create(context.Background(), role)).To(Succeed())
	Expect(api.Create(context.Background(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "operator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "operator"}},
	})).To(Succeed())
	user, err := environment.AddUser(envtest.User{Name: "operator"}, nil)
	Expect(err).NotTo(HaveOccurred())
	return user.Config()
}

// runningOperator is an operator in this process. Stopping it and starting another is a restart: nothing is remembered.
type runningOperator struct {
	stop func()
	// ended is closed when the operator ended, by itself or stopped.
	ended chan struct{}
}

// startOperator starts an operator for all namespaces.
func startOperator(change ...func(*controllers.Options)) *runningOperator {
	return startOperatorAs(operatorConfig, nil, change...)
}

// startOperatorAs starts an operator that is a certain user, and serves certain namespaces.
func startOperatorAs(user *rest.Config, namespaces []string, change ...func(*controllers.Options)) *runningOperator {
	return startOperatorAmid(faults, user, namespaces, nil, change...)
}

// startOperatorAmid starts an operator whose requests meet certain faults, and whose manager may be another.
func startOperatorAmid(
	faults *injection, user *rest.Config, namespaces []string, manage func(*ctrl.Options), change ...func(*controllers.Options),
) *runningOperator {
	config := rest.CopyConfig(user)
	config.Wrap(transport.WrapperFunc(requests.wrap))
	config.Wrap(transport.WrapperFunc(faults.kubernetes))
	managed := ctrl.Options{
		Scheme:     controllers.NewScheme(),
		Cache:      controllers.CacheOptions(namespaces),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: controllerconfig.Controller{SkipNameValidation: new(true)},
	}
	managed.Cache.NewInformer = faults.newInformer
	if manage != nil {
		manage(&managed)
	}
	mgr, err := ctrl.NewManager(config, managed)
	Expect(err).NotTo(HaveOccurred())
	live, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	graph, err := cloudapi.NewClient(cloudapi.Options{
		BaseURL: simulator.URL, Version: graphVersion, UserAgent: "whatsapp-operator/0.0.0",
		HTTPClient: &http.Client{Transport: faults.meta(http.DefaultTransport), Timeout: 10 * time.Second},
	})
	Expect(err).NotTo(HaveOccurred())
	reconciler := &controllers.Reconciler{
		Client:         mgr.GetClient(),
		Live:           live,
		GraphAPI:       controllers.ProvingGraph(graph),
		Prober:         probe.New(probe.Options{RootCAs: door.roots(), DialContext: door.dialOperator}),
		ReceiverStatus: receiver,
		Recorder:       mgr.GetEventRecorder("whatsapp-operator"),
		Clock:          clock,
		Random:         rand.Reader,
		Options: controllers.Options{
			Graph:                     manifests.Graph{BaseURL: simulator.URL, Version: graphVersion},
			ReceiverImage:             receiverImage,
			WatchNamespaces:           namespaces,
			NetworkPolicies:           true,
			Namespace:                 "whatsapp-operator-system",
			AllowedAnnotationPrefixes: []string{"lb.example.com/"},
		},
	}
	for _, c := range change {
		c(&reconciler.Options)
	}
	Expect(reconciler.SetupWithManager(context.Background(), mgr)).To(Succeed())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var failure error
	go func() {
		defer close(ended)
		failure = mgr.Start(ctx)
	}()
	Expect(mgr.GetCache().WaitForCacheSync(ctx)).To(BeTrue())
	return &runningOperator{ended: ended, stop: sync.OnceFunc(func() {
		cancel()
		<-ended
		if failure != nil && !managed.LeaderElection {
			panic(fmt.Sprintf("the operator ended with %v", failure))
		}
	})}
}

// requestCounter remembers what the operator asks of the API server.
type requestCounter struct {
	mu sync.Mutex
	// seen are all requests but watches.
	seen []string
	// forbidden are the requests that the API server refused for want of a right.
	forbidden []string
	// secretLists are the lists and watches of Secrets.
	secretLists []secretList
}

type secretList struct {
	selector     string
	metadataOnly bool
}

func (c *requestCounter) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		c.mu.Lock()
		if r.URL.Query().Get("watch") == "" {
			c.seen = append(c.seen, r.Method+" "+r.URL.Path)
		}
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/secrets") {
			c.secretLists = append(c.secretLists, secretList{
				selector:     r.URL.Query().Get("labelSelector"),
				metadataOnly: strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"),
			})
		}
		c.mu.Unlock()
		response, err := next.RoundTrip(r)
		if err == nil && response.StatusCode == http.StatusForbidden {
			c.refused(r, response)
		}
		return response, err
	})
}

// ofNoRight are parts of what the API server says where it forbids a request for something else than want of a right.
var ofNoRight = []string{"because it is being terminated", "admission webhook", "must support resize"}

// refused notes a request that was forbidden for want of a right.
func (c *requestCounter) refused(r *http.Request, response *http.Response) {
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	if err == nil && slices.ContainsFunc(ofNoRight, func(part string) bool { return strings.Contains(string(body), part) }) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forbidden = append(c.forbidden, r.Method+" "+r.URL.Path)
}

func (c *requestCounter) forbiddenRequests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.forbidden...)
}

func (c *requestCounter) forgetForbidden() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forbidden = nil
}

func (c *requestCounter) snapshot() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.seen...)
}

func (c *requestCounter) listsOfSecrets() []secretList {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]secretList(nil), c.secretLists...)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// asVerboseAsFlagsAllow is what --log-level=debug lets through, which is the most that the operator can be told to log.
// Beyond it the Kubernetes client logs the bodies of requests.
type asVerboseAsFlagsAllow struct{ logr.LogSink }

func (asVerboseAsFlagsAllow) Enabled(level int) bool { return level <= 4 }

func (a asVerboseAsFlagsAllow) WithValues(keysAndValues ...any) logr.LogSink {
	return asVerboseAsFlagsAllow{a.LogSink.WithValues(keysAndValues...)}
}

func (a asVerboseAsFlagsAllow) WithName(name string) logr.LogSink {
	return asVerboseAsFlagsAllow{a.LogSink.WithName(name)}
}
