package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/cluster"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/command"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

const (
	patience    = time.Minute
	appSecret   = "0f5c0e2ea1d34b0d9c3f5d1c7a8e4f21"
	verifyToken = "5d1c7a8e4f210f5c0e2ea1d34b0d9c3f"
	apiToken    = "api-token-77e1"
)

// bench is a real API server with a channel, whose receiver runs in this process. Only the way from a pod's port to the
// process is made up.
type bench struct {
	t       *testing.T
	api     client.Client
	meta    *cloudapitest.Server
	number  cloudapitest.PhoneNumber
	server  *webhookserver.Server
	environ *envtest.Environment
	channel *v1alpha1.WhatsAppChannel
	pod     *corev1.Pod
	// authority certifies the receiver.
	authority *stage.Authority
	// The users' kubeconfigs.
	agent, admin, onlooker, nobody string
	dialling                       atomic.Int32
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS names no API server; make test sets it")
	}
	b := &bench{t: t, environ: &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd", "bases")}, ErrorIfCRDPathMissing: true,
		// A busy machine takes longer than the defaults of 20 and 10 seconds.
		ControlPlaneStartTimeout: 2 * time.Minute, ControlPlaneStopTimeout: 2 * time.Minute,
		CRDInstallOptions: envtest.CRDInstallOptions{MaxTime: time.Minute},
	}}
	admin, err := b.environ.Start()
	b.must(err)
	t.Cleanup(func() { b.must(b.environ.Stop()) })
	scheme := runtime.NewScheme()
	b.must(clientgoscheme.AddToScheme(scheme))
	b.must(v1alpha1.AddToScheme(scheme))
	b.api, err = client.New(admin, client.Options{Scheme: scheme})
	b.must(err)
	b.startReceiver()
	b.declare()
	b.grant()
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// startReceiver runs a receiver with Meta simulated before it.
func (b *bench) startReceiver() {
	b.t.Helper()
	b.meta = cloudapitest.NewServer(cloudapitest.WithHTTPCallbacks())
	b.t.Cleanup(b.meta.Close)
	app := b.meta.AddApp(cloudapitest.App{Secret: appSecret})
	account := b.meta.AddBusinessAccount(cloudapitest.BusinessAccount{})
	b.number = b.meta.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: account.ID, DisplayPhoneNumber: "+1 631-555-1111"})
	channel, err := json.Marshal(config.Channel{
		Namespace: "helpdesk", Name: "support", BusinessAccountID: account.ID, PhoneNumber: &config.PhoneNumber{ID: b.number.ID},
		TargetGroup: "2nd Level", Graph: config.Graph{BaseURL: b.meta.URL, Version: "v25.0"},
	})
	b.must(err)
	b.authority, err = stage.NewAuthority()
	b.must(err)
	certificate, key, err := b.authority.Issue("support-receiver.helpdesk.svc")
	b.must(err)
	dir, data := b.t.TempDir(), b.t.TempDir()
	for name, value := range map[string]string{
		config.ChannelFile: string(channel), config.AccessTokenFile: b.meta.IssueToken(cloudapitest.Token{AppID: app.ID}),
		config.AppSecretFile: appSecret, config.VerifyTokenFile: verifyToken, config.StatusTokenFile: "status", config.APITokenFile: apiToken,
		config.PrivateCertificateFile: string(certificate), config.PrivateKeyFile: string(key),
	} {
		b.must(os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600))
	}
	b.server, err = webhookserver.New(webhookserver.Options{
		ConfigDir: dir, PrivateTLS: true, MediaDir: filepath.Join(data, "media"), Log: slog.New(slog.DiscardHandler),
		PublicAddress: "127.0.0.1:0", PrivateAddress: "127.0.0.1:0", HealthAddress: "127.0.0.1:0",
		OpenStore: func(ctx context.Context) (store.Store, error) {
			return store.OpenSQLite(ctx, store.SQLiteOptions{Dir: data})
		},
	})
	b.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.server.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		b.must(<-ended)
	})
	select {
	case <-b.server.Ready():
	case err := <-ended:
		b.t.Fatalf("the receiver ended: %v", err)
	}
	b.meta.SubscribeApp(app.ID, b.url(), webhook.FieldMessages)
	b.meta.SubscribeAccount(account.ID, app.ID)
}

// url is the receiver's callback URL.
func (b *bench) url() string {
	return "http://" + b.server.PublicAddr().String() + config.CallbackPath("helpdesk", "support")
}

// declare makes what the user and the operator would have made of the channel.
func (b *bench) declare() {
	b.t.Helper()
	b.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "helpdesk"}})
	for name, data := range map[string]map[string]string{
		"support-api":          {config.APITokenFile: apiToken, "ca.crt": string(b.authority.PEM)},
		"support-verify-token": {"verify-token": verifyToken},
		"whatsapp-support":     {"app-secret": appSecret + "\n", "access-token": "unused"},
	} {
		b.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "helpdesk", Name: name}, StringData: data})
	}
	b.channel = &v1alpha1.WhatsAppChannel{
		ObjectMeta: metav1.ObjectMeta{Namespace: "helpdesk", Name: "support"},
		Spec: v1alpha1.WhatsAppChannelSpec{
			BusinessAccountID: "102290129340398", TargetGroup: "2nd Level",
			AccessTokenSecretRef: v1alpha1.SecretKeyReference{Name: "whatsapp-support", Key: "access-token"},
			AppSecretSecretRef:   v1alpha1.SecretKeyReference{Name: "whatsapp-support", Key: "app-secret"},
		},
	}
	b.create(b.channel)
	b.setStatus(func(s *v1alpha1.WhatsAppChannelStatus) {
		s.CallbackURL = b.url()
		s.VerifyTokenSecretRef = &v1alpha1.SecretKeyReference{Name: "support-verify-token", Key: "verify-token"}
		s.PhoneNumber = &v1alpha1.PhoneNumberStatus{ID: b.number.ID, DisplayPhoneNumber: "+1 631-555-1111"}
		for _, t := range []string{
			v1alpha1.ConditionReady, v1alpha1.ConditionCredentialsValid, v1alpha1.ConditionPhoneNumberReady,
			v1alpha1.ConditionReceiverAvailable, v1alpha1.ConditionWebhookRegistered,
		} {
			s.Conditions = append(s.Conditions, metav1.Condition{
				Type: t, Status: metav1.ConditionTrue, Reason: "Good", Message: "It is good.", ObservedGeneration: 1, LastTransitionTime: metav1.Now(),
			})
		}
	})
	b.pod = &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "helpdesk", Name: "support-receiver-0", Labels: map[string]string{
			"app.kubernetes.io/name": "whatsapp-receiver", "app.kubernetes.io/instance": "support",
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "receiver", Image: "receiver"}}},
	}
	b.create(b.pod)
	b.setPodReady(corev1.ConditionTrue)
}

func (b *bench) create(object client.Object) {
	b.t.Helper()
	b.must(b.api.Create(context.Background(), object))
}

func (b *bench) setStatus(change func(*v1alpha1.WhatsAppChannelStatus)) {
	b.t.Helper()
	b.must(b.api.Get(context.Background(), client.ObjectKeyFromObject(b.channel), b.channel))
	change(&b.channel.Status)
	b.must(b.api.Status().Update(context.Background(), b.channel))
}

// register makes Meta call the channel, or not.
func (b *bench) register(status metav1.ConditionStatus) {
	b.t.Helper()
	b.setStatus(func(s *v1alpha1.WhatsAppChannelStatus) {
		for i := range s.Conditions {
			if t := s.Conditions[i].Type; t == v1alpha1.ConditionWebhookRegistered || t == v1alpha1.ConditionReady {
				s.Conditions[i].Status = status
			}
		}
	})
}

func (b *bench) setPodReady(status corev1.ConditionStatus) {
	b.t.Helper()
	b.pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
	b.must(b.api.Status().Update(context.Background(), b.pod))
}

// grant makes users with exactly the rights of the sample Roles, and one without any.
func (b *bench) grant() {
	b.t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "config", "samples", "kubectl-whatsapp.yaml"))
	b.must(err)
	defer file.Close()
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		var role rbacv1.Role
		if err := decoder.Decode(&role); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			b.t.Fatal(err)
		}
		b.bind(&role)
		if role.Name == "whatsapp-agent" {
			// Everything that an agent may but the last.
			b.bind(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "helpdesk", Name: "onlooker"}, Rules: role.Rules[:len(role.Rules)-1]})
		}
	}
	b.agent, b.admin = b.kubeconfig("whatsapp-agent"), b.kubeconfig("whatsapp-admin")
	b.onlooker, b.nobody = b.kubeconfig("onlooker"), b.kubeconfig("nobody")
}

// bind makes a Role, and binds it to the user of its name.
func (b *bench) bind(role *rbacv1.Role) {
	b.t.Helper()
	b.create(role)
	b.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: role.Namespace, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role.Name}},
	})
}

func (b *bench) kubeconfig(user string) string {
	b.t.Helper()
	added, err := b.environ.AddUser(envtest.User{Name: user}, nil)
	b.must(err)
	text, err := added.KubeConfig()
	b.must(err)
	path := filepath.Join(b.t.TempDir(), user)
	b.must(os.WriteFile(path, text, 0o600))
	return path
}

// dial stands for port forwarding.
func (b *bench) dial(ctx context.Context, pod types.NamespacedName, port int32) (net.Conn, error) {
	b.dialling.Add(1)
	if pod != client.ObjectKeyFromObject(b.pod) {
		return nil, fmt.Errorf("there is no pod %s", pod)
	}
	address := map[int32]string{config.PublicPort: b.server.PublicAddr().String(), config.PrivatePort: b.server.PrivateAddr().String()}[port]
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// result is how a run ended.
type result struct {
	code     int
	out, err string
}

// run runs kubectl whatsapp as a user of a kubeconfig, in the namespace helpdesk.
func (b *bench) run(kubeconfig string, args ...string) result {
	return b.runWith(kubeconfig, "", b.dial, args...)
}

func (b *bench) runWith(kubeconfig, input string, dial cluster.Dial, args ...string) result {
	b.t.Helper()
	var out, err bytes.Buffer
	code := command.Run(b.t.Context(), append([]string{"--kubeconfig", kubeconfig, "-n", "helpdesk"}, args...), command.Options{
		In: strings.NewReader(input), Out: &out, Err: &err, Watched: true, Now: time.Now, Interval: 5 * time.Millisecond, Dial: dial,
	})
	return result{code, out.String(), err.String()}
}

// expect runs a command that ends with a code, and says on both outputs together all of the texts.
func (b *bench) expect(code int, r result, texts ...string) result {
	b.t.Helper()
	if r.code != code {
		b.t.Errorf("exit code %d, want %d:\n%s%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			b.t.Errorf("it does not say %q:\n%s%s", text, r.out, r.err)
		}
	}
	return r
}

// eventually waits for a condition. The time is a bound for a test that fails, not what it measures.
func (b *bench) eventually(what string, condition func() bool) {
	b.t.Helper()
	gomega.NewWithT(b.t).Eventually(condition).WithTimeout(patience).WithPolling(10*time.Millisecond).Should(gomega.BeTrue(), what)
}
