package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// requirements are the programs that come from the system, by the Debian package that has them.
var requirements = []struct{ program, debian string }{
	{"containerd", "containerd"},
	{"containerd-shim-runc-v2", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"ip", "iproute2"},
	{"nft", "nftables"},
	{"nsenter", "util-linux"},
	{"mount", "mount"},
}

// pluginDirs are where network plugins are found: Debian's, and where everybody else puts them.
var pluginDirs = []string{"/usr/lib/cni", "/opt/cni/bin"}

// pluginDir is the folder with the network plugins that the node uses, or empty.
func pluginDir() string {
	for _, dir := range pluginDirs {
		if _, err := os.Stat(filepath.Join(dir, "ptp")); err == nil {
			return dir
		}
	}
	return ""
}

// installRequirements installs what is missing.
func installRequirements(ctx context.Context) error {
	packages, programs := missingRequirements()
	if len(packages) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%s cannot be found; install what Debian has in the packages %s",
			strings.Join(programs, ", "), strings.Join(packages, ", "))
	}
	progress("installing from Debian: %s", strings.Join(packages, " "))
	for _, args := range [][]string{
		{"update", "--quiet"},
		append([]string{"install", "--yes", "--quiet", "--no-install-recommends"}, packages...),
	} {
		apt := exec.CommandContext(ctx, "apt-get", args...)
		apt.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := apt.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
		}
	}
	if _, programs := missingRequirements(); len(programs) > 0 {
		return errors.New("still missing after the installation: " + strings.Join(programs, ", "))
	}
	return nil
}

func missingRequirements() (packages, programs []string) {
	for _, r := range requirements {
		if _, err := exec.LookPath(r.program); err != nil {
			programs = append(programs, r.program)
			packages = append(packages, r.debian)
		}
	}
	if pluginDir() == "" {
		programs = append(programs, "network plugins")
		packages = append(packages, "containernetworking-plugins")
	}
	slices.Sort(packages)
	return slices.Compact(packages), programs
}
