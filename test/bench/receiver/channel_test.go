//go:build bench

package receiver

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/bench/load"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/process"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const (
	appSecret     = "bench-app-secret"
	apiToken      = "bench-api-token"
	accountID     = "102290129340398"
	phoneNumberID = "106540352242922"
)

// channel is a receiver that runs, with a store that was empty at first.
type channel struct {
	*process.Process
	t      *testing.T
	target load.Target
	// store is where it keeps what it acknowledged.
	store   database
	private string
	// called counts the requests to the Graph API, which is a server of this process.
	called *atomic.Int64
}

// startChannel runs the receiver as its pod would.
func startChannel(t *testing.T, engine engine) *channel {
	t.Helper()
	called := new(atomic.Int64)
	graph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(graph.Close)
	settings := config.Channel{
		Namespace: "bench", Name: "channel", BusinessAccountID: accountID, PhoneNumber: &config.PhoneNumber{ID: phoneNumberID},
		TargetGroup: "Support", Graph: config.Graph{BaseURL: graph.URL, Version: "v25.0"},
	}
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	files, data := t.TempDir(), t.TempDir()
	store, dsn, args := engine(t, data)
	for name, value := range map[string]string{
		config.ChannelFile: string(text), config.AppSecretFile: appSecret, config.AccessTokenFile: "bench-access-token",
		config.VerifyTokenFile: "bench-verify-token", config.StatusTokenFile: "bench-status-token", config.APITokenFile: apiToken,
		config.PostgresDSNFile: dsn,
	} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	public, private, health := process.FreeAddress(t), process.FreeAddress(t), process.FreeAddress(t)
	c := &channel{
		Process: process.Start(t, program("receiver"), append(args, "--config-dir", files, "--data-dir", data,
			"--public-address", public, "--private-address", private, "--private-tls=false", "--health-address", health)...),
		t: t, target: target(public), store: store, private: "http://" + private, called: called,
	}
	c.Await("the receiver is ready", process.StartTimeout, func() bool {
		answer, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return c
}

func target(address string) load.Target {
	return load.Target{
		Address: address, Path: config.CallbackPath("bench", "channel"), Secret: appSecret,
		BusinessAccountID: accountID, PhoneNumberID: phoneNumberID,
	}
}

// startCeiling runs the server that keeps nothing.
func startCeiling(t *testing.T) (*process.Process, load.Target) {
	t.Helper()
	address := process.FreeAddress(t)
	p := process.Start(t, program("ceiling"), "--address", address, "--secret", appSecret)
	p.Await("the server that keeps nothing", process.StartTimeout, func() bool { return process.Listens(address) })
	return p, target(address)
}

// status asks the private API.
func (c *channel) status() (s config.Status) {
	c.t.Helper()
	c.get(config.StatusPath, &s)
	return s
}

func (c *channel) get(path string, into any) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.private+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+apiToken)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatalf("ask the receiver: %v\n%s", err, &c.Output)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != http.StatusOK {
		c.t.Fatalf("ask the receiver for %s: %s, %v", path, answer.Status, err)
	}
}

// complain fails the test if the log holds an error.
func (c *channel) complain() {
	c.t.Helper()
	for line := range strings.Lines(c.Output.String()) {
		if strings.Contains(line, `"level":"ERROR"`) {
			c.t.Errorf("the receiver's log: %s", line)
		}
	}
}
