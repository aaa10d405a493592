//go:build bench

package operator

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// Names that config/default gives.
const (
	operatorNamespace = "whatsapp-operator-system"
	operatorName      = "whatsapp-operator"
)

// cluster is an API server that the operator is installed in, except for its Deployment, which nobody runs.
type cluster struct {
	client.Client
	config *rest.Config
	// kubeconfig is the file by which the operator is its ServiceAccount.
	kubeconfig string
	audit      *audit
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{kubeconfig: filepath.Join(dir, "kubeconfig"), audit: &audit{t: t, file: filepath.Join(dir, "audit.log")}}
	policy := filepath.Join(dir, "audit.yaml")
	must(t, os.WriteFile(policy, []byte(auditPolicy), 0o600))

	environment := &envtest.Environment{}
	environment.ControlPlane.GetAPIServer().Configure().
		// There is no other network whose address the API server could tell.
		Set("advertise-address", doorAddress).
		// Each channel has a Service, and the usual range has room for 254.
		Set("service-cluster-ip-range", "10.96.0.0/16").
		Set("audit-policy-file", policy).Set("audit-log-path", c.audit.file)
	admin, err := environment.Start()
	if err != nil {
		t.Fatalf("start the API server; KUBEBUILDER_ASSETS must name the folder that hack/envtest prints: %v", err)
	}
	t.Cleanup(func() { _ = environment.Stop() })
	admin.QPS, admin.Burst = -1, -1
	c.config = admin

	installer, err := environment.AddUser(envtest.User{Name: "installer", Groups: []string{"system:masters"}}, nil)
	must(t, err)
	kubectl, err := installer.Kubectl()
	must(t, err)
	_, stderr, err := kubectl.Run("apply", "--server-side", "--kustomize", filepath.Join("..", "..", "..", "config", "default"))
	if err != nil {
		said, _ := io.ReadAll(stderr)
		t.Fatalf("install the operator: %v\n%s", err, said)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, authenticationv1.AddToScheme, v1alpha1.AddToScheme} {
		must(t, add(scheme))
	}
	c.Client, err = client.New(admin, client.Options{Scheme: scheme})
	must(t, err)
	c.writeKubeconfig(t)
	return c
}

// writeKubeconfig lets the operator be the ServiceAccount that its pod would be.
func (c *cluster) writeKubeconfig(t *testing.T) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: operatorName}}
	token := &authenticationv1.TokenRequest{}
	must(t, c.SubResource("token").Create(t.Context(), account, token))
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["bench"] = &clientcmdapi.Cluster{Server: c.config.Host, CertificateAuthorityData: c.config.CAData}
	kubeconfig.AuthInfos["operator"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	kubeconfig.Contexts["bench"] = &clientcmdapi.Context{Cluster: "bench", AuthInfo: "operator"}
	kubeconfig.CurrentContext = "bench"
	must(t, clientcmd.WriteToFile(*kubeconfig, c.kubeconfig))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
