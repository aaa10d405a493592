package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A hierarchy is one mounted cgroup tree: version 2 has one, version 1 one for each controller.
type hierarchy struct {
	mount   string
	options string // Version 1: the controllers.
	unified bool   // Version 2.
}

// hierarchies are the machine's cgroup trees.
func hierarchies() ([]hierarchy, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mounts.Close()
	var found []hierarchy
	lines := bufio.NewScanner(mounts)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 5 || len(right) < 3 || !strings.HasPrefix(right[0], "cgroup") {
			continue
		}
		found = append(found, hierarchy{mount: left[4], options: right[2], unified: right[0] == "cgroup2"})
	}
	return found, lines.Err()
}

// createCgroups makes the group of that name in every hierarchy, for pods, and moves the process to its
// subgroup "node", out of a login session that would take it along when it ends.
func createCgroups(name string, pid int) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.unified && len(all) == 1 {
			delegateControllers(h.mount)
		}
		group := filepath.Join(h.mount, name)
		if err := os.MkdirAll(group, 0o755); err != nil {
			return err
		}
		if slices.Contains(strings.Split(h.options, ","), "cpuset") {
			continue // No process may enter a cpuset before it was given processors.
		}
		if err := os.MkdirAll(filepath.Join(group, "node"), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(group, "node", "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// delegateControllers offers the controllers that the kubelet asks for to the groups below. Those that the
// kernel does not have the kubelet reports better than we could.
func delegateControllers(mount string) {
	for _, controller := range []string{"cpu", "cpuset", "memory", "pids", "hugetlb", "io"} {
		os.WriteFile(filepath.Join(mount, "cgroup.subtree_control"), []byte("+"+controller), 0o644) //nolint:errcheck // See above.
	}
}

// removeCgroups removes the group of that name with all below it, from every hierarchy.
func removeCgroups(ctx context.Context, name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		group := filepath.Join(h.mount, name)
		// A group stays busy for a moment after its last process ended.
		if !poll(ctx, 10*time.Second, func() bool { err = removeGroup(group); return err == nil }) {
			return fmt.Errorf("removing the cgroup %s: %w", group, err)
		}
	}
	return nil
}

func removeGroup(group string) error {
	var groups []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(groups) // The deepest first.
	for _, g := range groups {
		if err := syscall.Rmdir(g); err != nil && !errors.Is(err, syscall.ENOENT) {
			return err
		}
	}
	return nil
}
