// Manager is the operator: it makes WhatsAppChannels what they declare.
package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	controllerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/controllers"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/probe"
	"github.com/whatsapp-operator/whatsapp-operator/version"
)

// leaderElectionID names the Lease. A second name would let two operators run at once during an upgrade.
const leaderElectionID = "whatsapp-operator"

// heapGrowth is by how many percent the heap may grow until garbage is collected, unless GOGC says. Much is done only while
// many channels are made or taken over, so the memory that is held all the time counts more than the time of the processor.
const heapGrowth = 25

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	os.Exit(run(ctrl.SetupSignalHandler(), os.Args[1:], os.Environ(), os.Stderr))
}

// run is the program without its process. It returns the exit code: 0 after it was told to end, 1 after a failure, 2
// for wrong flags.
func run(ctx context.Context, args, environment []string, stderr io.Writer) int {
	o, err := parse(args, environment, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	handler := slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: o.logLevel})
	log := logr.FromSlogHandler(handler)
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	log.Info("Starting", "version", version.String())
	if err := manage(ctx, o); err != nil {
		log.Error(err, "The operator ends")
		return 1
	}
	return 0
}

// manage runs the operator until the context ends or the lead is lost.
func manage(ctx context.Context, o options) error {
	kubernetes, err := config.GetConfig()
	if err != nil {
		return fmt.Errorf("find the Kubernetes API server: %w", err)
	}
	mgr, err := newManager(kubernetes, o)
	if err != nil {
		return err
	}
	if err := addReconciler(ctx, mgr, o); err != nil {
		return err
	}
	if err := metrics.Registry.Register(controllers.NewChannelCollector(mgr.GetClient())); err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	if err := addHealth(mgr); err != nil {
		return err
	}
	// The lead is given up when the manager ends, so nothing may follow but the end of the process.
	return mgr.Start(ctx)
}

func newManager(kubernetes *rest.Config, o options) (ctrl.Manager, error) {
	mgr, err := ctrl.NewManager(kubernetes, ctrl.Options{
		Scheme:                        controllers.NewScheme(),
		Cache:                         controllers.CacheOptions(o.watchNamespaces),
		Client:                        client.Options{FieldOwner: manifests.ManagedBy},
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaderElectionID,
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        o.healthProbeBindAddress,
		Metrics: metricsserver.Options{
			BindAddress:    o.metricsBindAddress,
			SecureServing:  true,
			FilterProvider: filterMetrics,
			// HTTP/2 brought denials of service, and a scrape does not need it.
			TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
		},
		// A standby keeps its caches warm, so that it leads at once.
		Controller: controllerconfig.Controller{EnableWarmup: new(true)},
	})
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	return mgr, nil
}

func addReconciler(ctx context.Context, mgr ctrl.Manager, o options) error {
	graph, err := cloudapi.NewClient(cloudapi.Options{
		BaseURL:   o.graphBaseURL,
		Version:   o.graphVersion,
		UserAgent: version.UserAgent(),
		RootCAs:   o.rootCAs,
	})
	if err != nil {
		return fmt.Errorf("set up the Graph API client: %w", err)
	}
	live, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return fmt.Errorf("set up the live client: %w", err)
	}
	receiverImage, err := receiverImage(ctx, live, o)
	if err != nil {
		return err
	}
	reconciler := &controllers.Reconciler{
		Client:         mgr.GetClient(),
		Live:           live,
		GraphAPI:       controllers.ProvingGraph(graph),
		Prober:         probe.New(probe.Options{RootCAs: o.rootCAs}),
		ReceiverStatus: &controllers.HTTPReceiverStatus{},
		Recorder:       mgr.GetEventRecorder(leaderElectionID),
		Clock:          clock.RealClock{},
		Random:         rand.Reader,
		Options: controllers.Options{
			Graph:                     manifests.Graph{BaseURL: o.graphBaseURL, Version: o.graphVersion, CA: o.ca},
			ReceiverImage:             receiverImage,
			ReceiverEnvironment:       o.proxyEnvironment,
			CallbackHostname:          o.callbackHostname,
			Installation:              o.installation,
			PlatformChoosesUser:       platformChoosesUser(mgr.GetRESTMapper()),
			NetworkPolicies:           o.networkPolicies,
			Namespace:                 o.podNamespace,
			AllowedAnnotationPrefixes: o.allowedAnnotationPrefixes,
			WatchNamespaces:           o.watchNamespaces,
		},
	}
	return reconciler.SetupWithManager(ctx, mgr)
}

// platformChoosesUser reports whether the cluster is one of OpenShift, which refuses pods that name a user themselves and
// gives them one.
func platformChoosesUser(mapper meta.RESTMapper) bool {
	_, err := mapper.RESTMapping(schema.GroupKind{Group: "security.openshift.io", Kind: "SecurityContextConstraints"})
	return err == nil
}

// receiverImage is the image that receivers run: the one of the operator's own pod, which holds both programs, unless the
// flag names another.
func receiverImage(ctx context.Context, live client.Reader, o options) (string, error) {
	if o.receiverImage != "" {
		return o.receiverImage, nil
	}
	var pod corev1.Pod
	if err := live.Get(ctx, client.ObjectKey{Namespace: o.podNamespace, Name: o.podName}, &pod); err != nil {
		return "", fmt.Errorf("read the operator's own pod, for the image that receivers run (--receiver-image names another): %w", err)
	}
	for _, container := range pod.Spec.Containers {
		if container.Name == containerName {
			return container.Image, nil
		}
	}
	return "", fmt.Errorf("the operator's own pod has no container %q; name the image that receivers run with --receiver-image", containerName)
}

// containerName is the operator's container in its pod.
const containerName = "manager"

// addHealth makes the operator ready once its caches are.
func addHealth(mgr ctrl.Manager) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return mgr.AddReadyzCheck("caches", func(request *http.Request) error { return synced(request.Context(), mgr.GetCache()) })
}

func synced(ctx context.Context, caches cache.Cache) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if !caches.WaitForCacheSync(ctx) {
		return errors.New("the caches are not in sync yet")
	}
	return nil
}
