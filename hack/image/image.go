package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// user is a numeric user and group, so that Kubernetes can see that it is not root.
const user = "65532:65532"

// epoch dates everything in the image, because a real date would make every build differ.
var epoch = time.Unix(0, 0).UTC()

// imageSpec is what an image is made of.
type imageSpec struct {
	name         string
	architecture string
	entrypoint   string
	labels       map[string]string
	files        []file
}

// file is copied from the build host into the image.
type file struct {
	source string
	target string
	mode   int64
}

// has tells whether the image holds a file at target.
func (s imageSpec) has(target string) bool {
	for _, f := range s.files {
		if f.target == target {
			return true
		}
	}
	return false
}

// write assembles the image and writes its archive, which replaces an older one only when it is complete.
func (s imageSpec) write(output string) error {
	tag, err := name.NewTag(s.name)
	if err != nil {
		return fmt.Errorf("%q is no image name: %w", s.name, err)
	}
	img, err := s.assemble()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	partial := output + ".partial"
	if err := tarball.WriteToFile(partial, tag, img); err != nil {
		return fmt.Errorf("writing %s: %w", partial, err)
	}
	return os.Rename(partial, output)
}

// assemble gives every file a layer of its own, so that one that did not change is loaded only once.
func (s imageSpec) assemble() (v1.Image, error) {
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS:           "linux",
		Architecture: s.architecture,
		Created:      v1.Time{Time: epoch},
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User:       user,
			Entrypoint: []string{s.entrypoint},
			WorkingDir: "/",
			Env:        []string{"PATH=/"},
			Labels:     s.labels,
		},
	})
	if err != nil {
		return nil, err
	}
	for _, f := range s.files {
		content, err := layerTar(f)
		if err != nil {
			return nil, err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		})
		if err != nil {
			return nil, err
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:   layer,
			History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "COPY " + f.target},
		})
		if err != nil {
			return nil, err
		}
	}
	return img, nil
}

// layerTar is a layer with one file and the directories above it, all owned by root and writable by nobody else.
func layerTar(f file) ([]byte, error) {
	content, err := os.ReadFile(f.source)
	if err != nil {
		return nil, err
	}
	var (
		buffer bytes.Buffer
		writer = tar.NewWriter(&buffer)
		target = strings.TrimPrefix(f.target, "/")
	)
	for _, dir := range parents(target) {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: epoch}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: target, Mode: f.mode, Size: int64(len(content)), ModTime: epoch}
	if err := writer.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

// parents are the directories above target, outermost first.
func parents(target string) []string {
	var dirs []string
	for dir := path.Dir(target); dir != "."; dir = path.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	return dirs
}
