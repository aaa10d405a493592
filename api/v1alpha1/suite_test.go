package v1alpha1_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// api is a client of a real API server that serves the CustomResourceDefinition.
var api client.Client

func TestMain(m *testing.M) {
	os.Exit(runWithAPIServer(m))
}

func runWithAPIServer(m *testing.M) int {
	environment := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		// A busy machine takes longer than the defaults of 20 and 10 seconds.
		ControlPlaneStartTimeout: 2 * time.Minute, ControlPlaneStopTimeout: 2 * time.Minute,
		CRDInstallOptions: envtest.CRDInstallOptions{MaxTime: time.Minute},
	}
	// Stopped even where the start fails halfway, which leaves a server behind when the CustomResourceDefinition is bad.
	defer func() {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "Could not stop the API server:", err)
		}
	}()
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Could not start the API server (make test sets KUBEBUILDER_ASSETS):", err)
		return 1
	}

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if api, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "helpdesk"}}
	if err := api.Create(context.Background(), namespace); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
