package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/hack/node/image"
)

// loadOwnImages puts the images of what runs in pods into containerd, where they are missing.
func (n *node) loadOwnImages(ctx context.Context, v view) error {
	names, err := ctr(ctx, v, "images", "list", "--quiet")
	if err != nil {
		return err
	}
	there := strings.Fields(names)
	for _, p := range []program{pause, coreDNS, provisioner} {
		if slices.Contains(there, n.image(p)) {
			continue
		}
		archive := n.path(p.name + ".tar")
		if err := writeImage(archive, n.image(p), filepath.Join(n.builder.cache, n.Programs[p.name])); err != nil {
			return err
		}
		_, err := ctr(ctx, v, "images", "import", archive)
		if err := os.Remove(archive); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeImage(file, reference, binary string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := image.WriteStatic(out, reference, binary); err != nil {
		return err
	}
	return out.Close()
}

// load imports image archives.
func (n *node) load(ctx context.Context, archives []string) error {
	r, err := n.record()
	if err != nil {
		return err
	}
	if !r.Supervisor.alive() {
		return errNotUp
	}
	for _, archive := range archives {
		file, err := filepath.Abs(archive)
		if err != nil {
			return err
		}
		out, err := ctr(ctx, n.outsideView(r), "images", "import", file)
		if err != nil {
			return fmt.Errorf("loading %s: %w", archive, err)
		}
		progress("loaded %s", strings.TrimSpace(out))
	}
	return nil
}

// ctr talks to the node's containerd, about what belongs to Kubernetes.
func ctr(ctx context.Context, v view, args ...string) (string, error) {
	return output(ctx, "ctr", append([]string{"--address", v.containerdSocket(), "--namespace", "k8s.io"}, args...)...)
}
