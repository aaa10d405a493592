package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// A provider makes, shows and removes a cluster in one way.
type provider interface {
	up(context.Context) error
	down(context.Context) error
	// status prints one screen; its error says what is not up.
	status(context.Context) error
	load(context.Context, []string) error
	// restart ends a program of the node, and returns when it is back.
	restart(context.Context, string) error
	// kubectl is the program to use with the cluster.
	kubectl(context.Context) (string, error)
}

// A cluster is what both providers know: where it lives and how it is called.
type cluster struct {
	Name    string
	dir     string
	builder builder
}

// record is what is kept about a cluster, in cluster.json: it marks the folder as one of ours.
type record struct {
	Provider string `json:"provider"` // "kind" or "node".
	Subnet   string `json:"subnet,omitempty"`
	// Supervisor is the node's first process, told from a later one with the same id by its start.
	Supervisor process `json:"supervisor,omitzero"`
	// ForwardingWas is the machine's net.ipv4.ip_forward before the first cluster came.
	ForwardingWas string `json:"forwardingWas,omitempty"`
}

const defaultName = "whatsapp-operator"

var nameRule = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)

// newCluster finds the cluster's name and folder in the environment.
func newCluster(b builder) (*cluster, error) {
	name := os.Getenv("CLUSTER_NAME")
	if name == "" {
		name = defaultName
	}
	if !nameRule.MatchString(name) {
		return nil, fmt.Errorf("CLUSTER_NAME %q must be a lower-case word of at most 40 letters, digits and hyphens", name)
	}
	dir := os.Getenv("CLUSTER_DIR")
	if dir == "" {
		state := os.Getenv("XDG_STATE_HOME")
		if state == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, err
			}
			state = filepath.Join(home, ".local", "state")
		}
		dir = filepath.Join(state, "whatsapp-operator", name)
	}
	dir, err := filepath.Abs(dir)
	return &cluster{Name: name, dir: dir, builder: b}, err
}

func (c *cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

func (c *cluster) kubeconfig() string { return c.path("kubeconfig") }

// lock keeps two commands from changing the cluster at the same time.
func (c *cluster) lock(ctx context.Context) (func(), error) {
	return lock(ctx, filepath.Join(c.builder.cache, c.Name+".lock"), "another hack/cluster to end")
}

// create makes the cluster's folder. It takes none that is somebody else's: down deletes it whole.
func (c *cluster) create() error {
	if _, err := os.Stat(c.path("cluster.json")); err == nil {
		return nil
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is neither empty nor the folder of a cluster; name another one in CLUSTER_DIR", c.dir)
	}
	return os.MkdirAll(c.dir, 0o700)
}

// record reads cluster.json; without a cluster it is empty.
func (c *cluster) record() (record, error) {
	var r record
	text, err := os.ReadFile(c.path("cluster.json"))
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", c.path("cluster.json"), err)
	}
	return r, nil
}

func (c *cluster) save(r record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	partial := c.path("cluster.json.partial")
	if err := os.WriteFile(partial, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(partial, c.path("cluster.json"))
}

// remove deletes the cluster's folder, and the folder above it if that is empty then.
func (c *cluster) remove() error {
	if _, err := os.Stat(c.path("cluster.json")); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	// A mount that is still there would take what is behind it along.
	mounts, err := mountsBelow(c.dir)
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("something is still mounted at %s, so %s is not deleted", mounts[0], c.dir)
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	os.Remove(filepath.Dir(c.dir))
	return nil
}
