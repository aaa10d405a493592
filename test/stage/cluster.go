package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// Cluster is a Kubernetes cluster as an administrator sees it.
type Cluster struct {
	client.Client
	// Kubeconfig is the file that the cluster's address and credentials came from.
	Kubeconfig string

	config  *rest.Config
	core    corev1client.CoreV1Interface
	kubectl string
}

// Open connects to the cluster that a kubeconfig file names.
func Open(kubeconfig string) (*Cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig %s: %w", kubeconfig, err)
	}
	// Tests ask for many small things at once; the default of 5 requests a second would be most of their time.
	config.QPS, config.Burst = 100, 200
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, eventsv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	api, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster of %s: %w", kubeconfig, err)
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	kubectl, err := findKubectl()
	if err != nil {
		return nil, err
	}
	return &Cluster{Client: api, Kubeconfig: kubeconfig, config: config, core: core, kubectl: kubectl}, nil
}

// findKubectl prefers the kubectl of the API server's own version, which lies beside it, to whatever is installed.
func findKubectl() (string, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		if beside, err := exec.LookPath(filepath.Join(assets, "kubectl")); err == nil {
			return beside, nil
		}
	}
	found, err := exec.LookPath("kubectl")
	if err != nil {
		return "", errors.New("kubectl was found neither in the folder that KUBEBUILDER_ASSETS names nor in PATH; " +
			"hack/envtest makes that folder and prints its name")
	}
	return found, nil
}

// KubectlPath is the kubectl program that is used.
func (c *Cluster) KubectlPath() string { return c.kubectl }

// Kubectl runs kubectl on the cluster, as a user would, and returns what it prints. The error holds what kubectl says
// went wrong.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.KubectlInput(ctx, "", args...)
}

// KubectlInput is [Cluster.Kubectl] with a standard input, for `-f -`.
func (c *Cluster) KubectlInput(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.kubectl, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
