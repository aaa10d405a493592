package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGroupsAreRemovedFromTheDeepestUp(t *testing.T) {
	root := t.TempDir()
	group := filepath.Join(root, "whatsapp-operator.test")
	if err := os.MkdirAll(filepath.Join(group, "kubepods", "burstable", "pod"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := removeGroup(group); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(group); !os.IsNotExist(err) {
		t.Errorf("the group is still there: %v", err)
	}
	if err := removeGroup(group); err != nil {
		t.Errorf("a group that is gone: %v", err)
	}
}
