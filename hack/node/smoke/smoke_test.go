// Package smoke checks that the cluster that hack/cluster made is one to rely on: what the operator's own
// tests take for granted. It runs where CLUSTER_SMOKE is set, against the cluster that is up.
package smoke

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/hack/node/image"
)

const limit = 2 * time.Minute

func TestCluster(t *testing.T) {
	if os.Getenv("CLUSTER_SMOKE") == "" {
		t.Skip("CLUSTER_SMOKE is not set: run this against the cluster of hack/cluster up")
	}
	loadProbe(t)
	t.Cleanup(func() {
		kubectl(t, "delete", "namespace", "smoke", "--ignore-not-found")
		kubectl(t, "delete", "storageclass", "smoke-retain", "--ignore-not-found")
	})
	kubectl(t, "apply", "--filename=testdata/workload.yaml")
	kubectl(t, "rollout", "status", "--namespace=smoke", "deployment/probe", "--timeout=60s")

	t.Run("a Service is found by name and reaches both pods", servicesAnswer)
	t.Run("the machine reaches Services", machineReachesServices)
	t.Run("a pod reaches the API server and its token", podsReachAPIServer)
	t.Run("logs can be read", logs)
	t.Run("a changed Secret reaches a running pod", secretsFollow)
	t.Run("an emptyDir can be written", emptyDirs)
	t.Run("the restricted level is enforced", restricted)
	t.Run("volumes are provisioned, kept and deleted", volumes)
}

func servicesAnswer(t *testing.T) {
	answered := map[string]bool{}
	// A Service refuses for a second after its pods are ready, until kube-proxy knows them.
	eventually(t, "both pods answer", func() bool {
		name, err := run("kubectl", "exec", "--namespace=smoke", "deployment/probe", "--", "/probe", "get", "http://probe.smoke.svc.cluster.local")
		if err == nil {
			answered[name] = true
		}
		return len(answered) == 2
	})
	if got := inPod(t, "deployment/probe", "get", "http://probe"); !answered[got] {
		t.Errorf("the short name led to %q, not to one of %v", got, answered)
	}
	name, _, _ := strings.Cut(strings.TrimSpace(kubectl(t, "get", "pods", "--namespace=smoke", "--output=name")), "\n")
	// A pod that is its own Service's answer: the way out and in again.
	eventually(t, "a pod reaches itself through its Service", func() bool {
		return inPod(t, name, "get", "http://probe") == strings.TrimPrefix(name, "pod/")
	})
}

func machineReachesServices(t *testing.T) {
	address := kubectl(t, "get", "service", "probe", "--namespace=smoke", "--output=jsonpath={.spec.clusterIP}")
	node := kubectl(t, "get", "nodes", "--output=jsonpath={.items[0].status.addresses[0].address}")
	for _, url := range []string{"http://" + address, "http://" + node + ":30080"} {
		out, err := exec.Command("go", "run", "./probe", "get", url).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "probe-") {
			t.Errorf("%s: %v: %s", url, err, out)
		}
	}
}

func podsReachAPIServer(t *testing.T) {
	token := inPod(t, "deployment/probe", "read", "/var/run/secrets/kubernetes.io/serviceaccount/token")
	if strings.Count(token, ".") != 2 {
		t.Error("the ServiceAccount token is not a JWT")
	}
	// Without the authority and the token there is no answer, but there is somebody.
	_, err := run("kubectl", "exec", "--namespace=smoke", "deployment/probe", "--", "/probe", "get", "https://kubernetes.default")
	if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("the API server should have shown its certificate: %v", err)
	}
}

func logs(t *testing.T) {
	if got := kubectl(t, "logs", "--namespace=smoke", "deployment/probe"); !strings.Contains(got, "serving as probe-") {
		t.Errorf("the log is %q", got)
	}
}

func secretsFollow(t *testing.T) {
	kubectl(t, "patch", "secret", "mounted", "--namespace=smoke", "--patch", `{"stringData":{"key":"after"}}`)
	eventually(t, "the pod sees the change", func() bool {
		return inPod(t, "deployment/probe", "read", "/secret/key") == "after"
	})
}

func emptyDirs(t *testing.T) {
	name, _, _ := strings.Cut(strings.TrimSpace(kubectl(t, "get", "pods", "--namespace=smoke", "--output=name")), "\n")
	inPod(t, name, "write", "/scratch/file", "text")
	if got := inPod(t, name, "read", "/scratch/file"); got != "text" {
		t.Errorf("read %q", got)
	}
}

func restricted(t *testing.T) {
	_, err := run("kubectl", "run", "root", "--namespace=smoke", "--image=whatsapp-operator.local/probe:smoke", "--image-pull-policy=Never")
	if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("a pod that may be root was not refused: %v", err)
	}
}

func volumes(t *testing.T) {
	kubectl(t, "apply", "--filename=testdata/storage.yaml")
	kubectl(t, "wait", "--namespace=smoke", "pod/writer", "--for=condition=Ready", "--timeout=60s")
	for _, claim := range []string{"deleted", "retained"} {
		inPod(t, "writer", "write", "/"+claim+"/file", "text of "+claim)
	}
	kubectl(t, "delete", "pod", "writer", "--namespace=smoke")
	kubectl(t, "apply", "--filename=testdata/storage.yaml")
	kubectl(t, "wait", "--namespace=smoke", "pod/writer", "--for=condition=Ready", "--timeout=60s")
	volumes := map[string]string{}
	for _, claim := range []string{"deleted", "retained"} {
		if got := inPod(t, "writer", "read", "/"+claim+"/file"); got != "text of "+claim {
			t.Errorf("after the pod's restart %s holds %q", claim, got)
		}
		volumes[claim] = kubectl(t, "get", "pvc", claim, "--namespace=smoke", "--output=jsonpath={.spec.volumeName}")
	}
	kubectl(t, "delete", "pod", "writer", "--namespace=smoke")
	kubectl(t, "delete", "pvc", "deleted", "retained", "--namespace=smoke")
	t.Cleanup(func() { kubectl(t, "delete", "persistentvolume", volumes["retained"], "--ignore-not-found") })

	kubectl(t, "wait", "persistentvolume/"+volumes["deleted"], "--for=delete", "--timeout=60s")
	kubectl(t, "wait", "persistentvolume/"+volumes["retained"], "--for=jsonpath={.status.phase}=Released", "--timeout=60s")
	folders := filepath.Join(filepath.Dir(strings.TrimSpace(mustRun(t, "kubeconfig"))), "var", "lib", "volumes")
	if _, err := os.Stat(folders); err != nil {
		return // A kind cluster keeps its volumes in its container.
	}
	if _, err := os.Stat(filepath.Join(folders, volumes["deleted"])); !os.IsNotExist(err) {
		t.Errorf("the deleted volume's folder is still there: %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(folders, volumes["retained"], "file")); string(got) != "text of retained" {
		t.Errorf("the retained volume holds %q: %v", got, err)
	}
}

// loadProbe builds the program of the pods, makes an image of it and loads it.
func loadProbe(t *testing.T) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "probe")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the probe: %v\n%s", err, out)
	}
	archive, err := os.Create(binary + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := image.WriteStatic(archive, "whatsapp-operator.local/probe:smoke", binary); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "load", archive.Name())
}

func inPod(t *testing.T, pod string, command ...string) string {
	t.Helper()
	return kubectl(t, append([]string{"exec", "--namespace=smoke", pod, "--", "/probe"}, command...)...)
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return mustRun(t, append([]string{"kubectl"}, args...)...)
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// run runs hack/cluster.
func run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../cluster", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", &failure{strings.Join(args, " "), stderr.String(), err}
	}
	return string(out), nil
}

type failure struct {
	command, said string
	cause         error
}

func (f *failure) Error() string {
	return "hack/cluster " + f.command + ": " + f.cause.Error() + ": " + f.said
}
func (f *failure) Unwrap() error { return f.cause }

func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for !ask() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
