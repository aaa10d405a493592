//go:build bench

package operator

import (
	"net/http"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/bench/process"
)

// startOperator runs the operator, and waits until it is ready to serve or to take over.
func startOperator(t *testing.T, w *world) *process.Process {
	t.Helper()
	health := process.FreeAddress(t)
	p := process.Start(t, program("manager"), "--kubeconfig", w.cluster.kubeconfig, "--graph-base-url", w.meta.URL, "--ca-file", w.ca,
		"--receiver-image", "registry.example.com/whatsapp-operator:bench", "--leader-elect", "--leader-election-namespace", operatorNamespace,
		"--metrics-bind-address", process.FreeAddress(t), "--health-probe-bind-address", health)
	p.Await("the operator is ready", process.StartTimeout, func() bool {
		answer, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return p
}
