package main

import (
	"bytes"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

func TestFlagsHaveSafeDefaults(t *testing.T) {
	o, err := parse(nil, []string{"POD_NAME=operator-1", "POD_NAMESPACE=system", "HTTPS_PROXY=http://proxy:3128", "HOME=/"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if o.graphBaseURL != cloudapi.DefaultBaseURL || o.graphVersion != cloudapi.DefaultVersion {
		t.Errorf("the Graph API is %s %s", o.graphBaseURL, o.graphVersion)
	}
	if o.receiverImage != "" || o.podName != "operator-1" || o.podNamespace != "system" {
		t.Errorf("the receiver's image is %q, the operator's own pod %s/%s", o.receiverImage, o.podNamespace, o.podName)
	}
	if len(o.allowedAnnotationPrefixes) != 0 || len(o.watchNamespaces) != 0 {
		t.Errorf("annotations %q and namespaces %q are allowed unasked", o.allowedAnnotationPrefixes, o.watchNamespaces)
	}
	if len(o.proxyEnvironment) != 1 || o.proxyEnvironment["HTTPS_PROXY"] != "http://proxy:3128" {
		t.Errorf("receivers get %v", o.proxyEnvironment)
	}
}

func TestFlagsAreRead(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{
		"--receiver-image=receiver:1", "--allowed-annotation-prefixes=a.example.com/, b.example.com/", "--watch-namespaces=helpdesk,sales",
		"--ca-file=" + file, "--log-level=debug", "--leader-elect", "--callback-hostname=wa.example.com",
	}, nil, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a.example.com/", "b.example.com/"}; !slices.Equal(o.allowedAnnotationPrefixes, want) {
		t.Errorf("prefixes are %q, not %q", o.allowedAnnotationPrefixes, want)
	}
	if want := []string{"helpdesk", "sales"}; !slices.Equal(o.watchNamespaces, want) {
		t.Errorf("namespaces are %q, not %q", o.watchNamespaces, want)
	}
	if o.ca != string(certificate) || o.rootCAs == nil || o.logLevel != slog.LevelDebug || !o.leaderElect {
		t.Errorf("flags were not read: %+v", o)
	}
}

func TestWrongFlagsAreExplained(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no image":           {nil, "--receiver-image"},
		"an argument":        {[]string{"--receiver-image=r", "start"}, `unexpected argument "start"`},
		"a URL as host":      {[]string{"--receiver-image=r", "--callback-hostname=https://wa.example.com"}, "--callback-hostname must be"},
		"a bad namespace":    {[]string{"--receiver-image=r", "--watch-namespaces=Help Desk"}, "--watch-namespaces has"},
		"a bad version":      {[]string{"--receiver-image=r", "--graph-version=25"}, "Graph version must look like"},
		"a bad base URL":     {[]string{"--receiver-image=r", "--graph-base-url=graph"}, "Graph base URL must look like"},
		"an absent CA":       {[]string{"--receiver-image=r", "--ca-file=/does/not/exist"}, "--ca-file"},
		"an unknown flag":    {[]string{"--verbose"}, "not defined"},
		"a level that leaks": {[]string{"--receiver-image=r", "--log-level=debug-4"}, "--log-level must be"},
		"an unknown level":   {[]string{"--receiver-image=r", "--log-level=loud"}, "log-level"},
	} {
		t.Run(name, func(t *testing.T) {
			stderr := &bytes.Buffer{}
			if code := run(t.Context(), tc.args, nil, stderr); code != 2 {
				t.Errorf("the exit code is %d, not 2", code)
			}
			if !strings.Contains(stderr.String(), tc.want) {
				t.Errorf("%q does not say %q", stderr, tc.want)
			}
		})
	}
	if code := run(t.Context(), []string{"--help"}, nil, &bytes.Buffer{}); code != 0 {
		t.Errorf("--help ends with %d", code)
	}
}
