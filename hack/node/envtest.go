package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// setupEnvtest downloads released binaries. It is pinned here and verified by Go's checksum database.
const setupEnvtest = "sigs.k8s.io/controller-runtime/tools/setup-envtest@v0.25.1"

// envtestAssets is the folder with etcd, kube-apiserver and kubectl that KUBEBUILDER_ASSETS names.
// What is there already is taken without asking the network; else a download is tried, and a build follows.
func envtestAssets(ctx context.Context, b builder) (string, error) {
	missing, err := b.missing(envtestPrograms)
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		downloaded, err := downloadedAssets(ctx, b)
		if err == nil {
			return downloaded, nil
		}
		progress("released binaries cannot be had (%v), so they are built from source", err)
		if err := b.build(ctx, envtestPrograms); err != nil {
			return "", err
		}
	}
	return linkedAssets(b)
}

// linkedAssets is a folder of links to the programs in the cache.
func linkedAssets(b builder) (string, error) {
	kubernetesDir, err := b.dir(kubernetes)
	if err != nil {
		return "", err
	}
	etcdDir, err := b.dir(etcd)
	if err != nil {
		return "", err
	}
	assets := filepath.Join(b.cache, "envtest", filepath.Base(kubernetesDir)+"-"+filepath.Base(etcdDir))
	if _, err := os.Stat(assets); err == nil {
		return assets, nil
	}
	if err := os.MkdirAll(filepath.Dir(assets), 0o755); err != nil {
		return "", err
	}
	partial, err := os.MkdirTemp(filepath.Dir(assets), ".partial-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	if err := os.Chmod(partial, 0o755); err != nil {
		return "", err
	}
	for _, p := range envtestPrograms {
		target, err := b.path(p)
		if err != nil {
			return "", err
		}
		if err := os.Symlink(target, filepath.Join(partial, p.name)); err != nil {
			return "", err
		}
	}
	// Two calls may race to the same place; whoever comes second finds the same content there.
	if err := os.Rename(partial, assets); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return assets, nil
}

// downloadedAssets is the folder with the released binaries, downloaded if they are not there yet.
func downloadedAssets(ctx context.Context, b builder) (string, error) {
	version, err := b.version(kubernetes)
	if err != nil {
		return "", err
	}
	minor := strings.TrimPrefix(version[:strings.LastIndex(version, ".")], "v") + ".x"
	store := filepath.Join(b.cache, "setup-envtest")
	if _, err := os.Stat(store); err == nil {
		if dir, err := runSetupEnvtest(ctx, time.Minute, "use", "--installed-only", minor, "--print", "path", "--bin-dir", store); err == nil {
			return dir, nil
		}
	}
	progress("asking for released envtest binaries %s", minor)
	// The index is small: a network that does not give it soon will not give the binaries either.
	if _, err := runSetupEnvtest(ctx, 30*time.Second, "list", "--bin-dir", store); err != nil {
		return "", err
	}
	return runSetupEnvtest(ctx, 10*time.Minute, "use", minor, "--print", "path", "--bin-dir", store)
}

func runSetupEnvtest(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", setupEnvtest}, args...)...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = &stderr
	// go run's child holds the pipe after go itself was stopped.
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("no answer within %s", limit)
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return "", fmt.Errorf("setup-envtest: %s", lines[len(lines)-1])
	}
	return strings.TrimSpace(string(out)), nil
}
