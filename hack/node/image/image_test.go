package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestImageHoldsTheProgramAndIsConsistent(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(binary, []byte("content of the program"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteStatic(&out, "example.com/program:v1", binary); err != nil {
		t.Fatal(err)
	}
	files := untar(t, out.Bytes())

	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	unmarshal(t, files["manifest.json"], &manifest)
	if len(manifest) != 1 || manifest[0].RepoTags[0] != "example.com/program:v1" || len(manifest[0].Layers) != 1 {
		t.Fatalf("the manifest is %+v", manifest)
	}
	var config struct {
		OS     string
		Config struct{ Entrypoint []string }
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	unmarshal(t, files[manifest[0].Config], &config)
	layer := files[manifest[0].Layers[0]]
	if config.OS != "linux" || config.Config.Entrypoint[0] != "/program" {
		t.Errorf("the configuration is %+v", config)
	}
	if got := "sha256:" + digest(layer); config.RootFS.DiffIDs[0] != got {
		t.Errorf("the layer's digest is %s, not %s", got, config.RootFS.DiffIDs[0])
	}
	if got := string(untar(t, layer)["program"]); got != "content of the program" {
		t.Errorf("the program holds %q", got)
	}
}

func untar(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = content
	}
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}
