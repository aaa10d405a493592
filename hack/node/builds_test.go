package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newTestBuilder(t *testing.T, gomod string) (builder, *module) {
	t.Helper()
	b := builder{source: t.TempDir(), cache: t.TempDir()}
	m := &module{name: "build/example", upstream: "example.com/example"}
	writeFile(t, filepath.Join(b.source, m.name, "go.mod"), gomod)
	return b, m
}

func writeFile(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVersionIsTheOneThatGoModRequires(t *testing.T) {
	for gomod, want := range map[string]string{
		"module x\nrequire example.com/example v1.2.3\n":                                          "v1.2.3",
		"module x\nrequire (\n\texample.com/example/more v9.9.9\n\texample.com/example v1.2.3\n)": "v1.2.3",
		"module x\nrequire (\n\texample.com/example v1.2.3 // indirect\n)":                        "v1.2.3",
		"module x\n": "",
	} {
		b, m := newTestBuilder(t, gomod)
		got, err := b.version(m)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", gomod, got, err)
		}
	}
}

func TestEveryChangeOfTheSourceIsAnotherPlace(t *testing.T) {
	b, m := newTestBuilder(t, "module x\nrequire example.com/example v1.2.3\n")
	seen := map[string]string{}
	look := func(change string) {
		dir, err := b.dir(m)
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := seen[dir]; ok {
			t.Errorf("%s is kept in the same place as %s", change, before)
		}
		if !strings.Contains(dir, "example-v1.2.3-") {
			t.Errorf("%s does not tell the version", dir)
		}
		seen[dir] = change
	}
	look("the beginning")
	writeFile(t, filepath.Join(b.source, m.name, "go.sum"), "sum")
	look("a new go.sum")
	writeFile(t, filepath.Join(b.source, m.name, "program", "main.go"), "package main")
	look("a new program")
	m.ldflags = "-s"
	look("another link")
}

func TestFailedBuildsTellWhyAndLeaveNothing(t *testing.T) {
	b, m := newTestBuilder(t, "module x\nrequire example.com/example v1.2.3\n")
	m.upstream = ""
	writeFile(t, filepath.Join(b.source, m.name, "go.mod"), "module x\ngo 1.26\n")
	writeFile(t, filepath.Join(b.source, m.name, "main.go"), "package main\nfunc main() { nonsense() }\n")
	p := program{name: "broken", module: m, pkg: "."}
	if err := b.build(t.Context(), []program{p}); err == nil || !strings.Contains(err.Error(), "undefined: nonsense") {
		t.Errorf("the compiler's word is missing: %v", err)
	}
	path, err := b.path(p)
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(path + "*")
	if err != nil || len(left) > 0 {
		t.Errorf("there is %v, %v", left, err)
	}
}
