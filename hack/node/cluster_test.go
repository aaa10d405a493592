package main

import (
	"os"
	"path/filepath"
	"testing"
)

func newTestCluster(t *testing.T) *cluster {
	t.Helper()
	t.Setenv("CLUSTER_DIR", filepath.Join(t.TempDir(), "cluster"))
	c, err := newCluster(builder{cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClusterTakesNoFolderOfSomebodyElse(t *testing.T) {
	c := newTestCluster(t)
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	precious := c.path("precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.create(); err == nil {
		t.Error("a folder with somebody's file was taken")
	}
	if err := c.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("down deleted what is not a cluster's: %v", err)
	}
}

func TestClusterIsRemovedWhole(t *testing.T) {
	c := newTestCluster(t)
	if err := c.create(); err != nil {
		t.Fatal(err)
	}
	if err := c.save(record{Provider: "node"}); err != nil {
		t.Fatal(err)
	}
	if err := c.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestClusterNames(t *testing.T) {
	for name, valid := range map[string]bool{
		"": true, "demo": true, "e2e-2": true, "Demo": false, "-demo": false, "demo-": false, "a/b": false, "a b": false,
	} {
		t.Setenv("CLUSTER_NAME", name)
		if _, err := newCluster(builder{}); (err == nil) != valid {
			t.Errorf("%q: %v", name, err)
		}
	}
}
