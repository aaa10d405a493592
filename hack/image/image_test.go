package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestImageHoldsBinariesAndCertificatesAsNonRoot(t *testing.T) {
	dir, args := inputs(t)
	archive := filepath.Join(dir, "app.tar")
	if err := run(append([]string{"-output", archive}, args...), io.Discard); err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/manager"}) {
		t.Errorf("user %q, entrypoint %q", config.Config.User, config.Config.Entrypoint)
	}
	if config.Config.Labels["a"] != "b=c" {
		t.Errorf("labels %v", config.Config.Labels)
	}
	got := map[string]int64{}
	content := tar.NewReader(mutate.Extract(img))
	for {
		header, err := content.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			got[header.Name] = header.Mode
		}
	}
	want := map[string]int64{"etc/ssl/certs/ca-certificates.crt": 0o644, "manager": 0o755, "receiver": 0o755}
	if !maps.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(archive) })
	if err != nil {
		t.Fatal(err)
	}
	if tags := manifest[0].RepoTags; !slices.Equal(tags, []string{"example/app:dev"}) {
		t.Errorf("tags %q, so a kubelet would not find the image", tags)
	}
}

func TestSameInputsGiveSameBytes(t *testing.T) {
	dir, args := inputs(t)
	var archives [2][]byte
	for i := range archives {
		later := time.Now().Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "manager"), later, later); err != nil {
			t.Fatal(err)
		}
		archive := filepath.Join(dir, "app.tar")
		if err := run(append([]string{"-output", archive}, args...), io.Discard); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = content
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same files differ")
	}
}

func TestEntrypointMustBeInTheImage(t *testing.T) {
	dir, args := inputs(t)
	args = append([]string{"-output", filepath.Join(dir, "app.tar"), "-entrypoint", "/elsewhere"}, args[2:]...)
	if err := run(args, io.Discard); err == nil || !strings.Contains(err.Error(), "/elsewhere") {
		t.Errorf("error %v, want one that names the entrypoint", err)
	}
}

// inputs are files to put into an image, and the arguments that do so; the first two are the entrypoint.
func inputs(t *testing.T) (dir string, args []string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"manager", "receiver", "ca.crt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []string{
		"-entrypoint", "/manager",
		"-name", "example/app:dev", "-label", "a=b=c", "-ca-certificates", filepath.Join(dir, "ca.crt"),
		filepath.Join(dir, "manager"), filepath.Join(dir, "receiver"),
	}
}
