// Package architecture tests which package may know which. The linter looks at the imports that a file writes down;
// here those count, too, that a package has through others.
package architecture

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/whatsapp-operator/whatsapp-operator"

// arrow says what some packages may import, directly or through others, in what is not a test.
type arrow struct {
	// from are patterns of packages, relative to the module. Each must match at least one.
	from []string
	// ours are patterns of the module's packages that may be imported; the packages themselves always may.
	ours []string
	// never are patterns of other packages that must not be imported.
	never []string
	why   string
}

// In patterns, a trailing /... stands for the package and all below it.
var arrows = []arrow{
	{
		from:  []string{"version", "cloudapi/webhook"},
		never: []string{"k8s.io/...", "sigs.k8s.io/..."},
		why:   "it stands alone",
	},
	{
		from:  []string{"cloudapi"},
		ours:  []string{"cloudapi/webhook"},
		never: []string{"k8s.io/...", "sigs.k8s.io/..."},
		why:   "the client of Meta's API knows only the payload types",
	},
	{
		from: []string{"cloudapi/cloudapitest"},
		ours: []string{"cloudapi", "cloudapi/webhook"},
		why:  "the simulator is Meta, which knows nothing of this project",
	},
	{
		from: []string{"webhookserver/helpdesk/zammad/zammadtest"},
		ours: []string{"webhookserver/clock"},
		why:  "the simulator is Zammad, which knows nothing of this project",
	},
	{
		from:  []string{"webhookserver/conversation"},
		ours:  []string{"cloudapi/webhook"},
		never: []string{"net/http/...", "database/sql/...", "log/slog", "math/rand", "math/rand/v2", "crypto/rand"},
		why:   "what happens in a conversation is a pure function",
	},
	{
		from:  []string{"webhookserver/formatting"},
		never: []string{"net/http/...", "database/sql/...", "log/slog", "math/rand", "math/rand/v2", "crypto/rand"},
		why:   "how a text is written is a pure function, and knows nothing of who needs it",
	},
	{
		from:  []string{"webhookserver/...", "cmd/receiver"},
		ours:  []string{"webhookserver/...", "cloudapi", "cloudapi/webhook", "version"},
		never: []string{"k8s.io/...", "sigs.k8s.io/..."},
		why:   "the receiver does not know Kubernetes",
	},
	{
		from:  []string{"api/..."},
		ours:  []string{"api/..."},
		never: []string{"sigs.k8s.io/controller-runtime/..."},
		why:   "clients import the API types, and nothing else with them",
	},
	{
		from:  []string{"webhookserver/api/wire"},
		never: []string{"net/http/...", "database/sql/..."},
		why:   "clients import the JSON of the private API, and nothing else with it",
	},
	{
		from: []string{"plugin/...", "cmd/kubectl-whatsapp"},
		ours: []string{"plugin/...", "api/...", "cloudapi/webhook", "webhookserver/config", "webhookserver/api/wire", "version"},
		why:  "kubectl whatsapp knows channels and what their receivers answer, and not how either works",
	},
	{
		from: []string{"controllers/...", "cmd/manager"},
		ours: []string{"controllers/...", "api/...", "cloudapi", "cloudapi/webhook", "webhookserver/config", "version"},
		why:  "of the receiver, the operator knows only its configuration",
	},
}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath                               string
	Deps, Imports, TestImports, XTestImports []string
	Error                                    *struct{ Err string }
}

func TestArrows(t *testing.T) {
	packages := list(t)
	for _, a := range arrows {
		for _, from := range a.from {
			found := false
			for _, p := range packages {
				if !matches(p.ImportPath, []string{module + "/" + from}) {
					continue
				}
				found = true
				check(t, p, a)
			}
			if !found {
				t.Errorf("no package matches %s: the rule about it checks nothing", from)
			}
		}
	}
}

func check(t *testing.T, p pkg, a arrow) {
	t.Helper()
	for _, dep := range p.Deps {
		if ours, ok := strings.CutPrefix(dep, module+"/"); ok {
			if !matches(ours, a.ours) {
				t.Errorf("%s imports %s, but %s", p.ImportPath, ours, a.why)
			}
		} else if matches(dep, a.never) {
			t.Errorf("%s imports %s (see `go mod why`), but %s", p.ImportPath, dep, a.why)
		}
	}
}

// Tests may import anything, except programs; what is not a test imports nothing that is made for tests.
func TestNobodyImportsProgramsOrTests(t *testing.T) {
	forTests := []string{
		module + "/test/...", module + "/cloudapi/cloudapitest/...", module + "/webhookserver/store/storetest/...",
		module + "/webhookserver/helpdesk/helpdesktest/...", module + "/webhookserver/helpdesk/zammad/zammadtest/...",
	}
	exempt := append(slices.Clone(forTests), module+"/cmd/cloudapi-simulator", module+"/cmd/zammad-simulator", module+"/hack/...")
	programs := []string{module + "/cmd/..."}
	for _, p := range list(t) {
		for _, dep := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if matches(dep, programs) && dep != p.ImportPath {
				t.Errorf("%s imports the program %s", p.ImportPath, dep)
			}
		}
		if matches(p.ImportPath, exempt) {
			continue
		}
		for _, dep := range p.Deps {
			if matches(dep, forTests) || dep == "testing" {
				t.Errorf("%s imports %s, which is for tests", p.ImportPath, dep)
			}
		}
	}
}

// list reads all packages of the module, with everything they import.
func list(t *testing.T) []pkg {
	t.Helper()
	// The folders are read only so that `go test` sees that this test depends on them, and does not cache its result
	// over a change of the code.
	for _, dir := range []string{"api", "cloudapi", "cmd", "controllers", "hack", "plugin", "test", "version", "webhookserver"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e",
		"-json=ImportPath,Deps,Imports,TestImports,XTestImports,Error", module+"/...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []pkg
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		// A package that only tests have, such as this one, is no error.
		if p.Error != nil && !strings.Contains(p.Error.Err, "build constraints exclude all Go files") {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		packages = append(packages, p)
	}
}

func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		root, below := strings.CutSuffix(pattern, "/...")
		return path == root || below && strings.HasPrefix(path, root+"/")
	})
}
