package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// A node is a cluster of one node, built from source, on this machine.
type node struct {
	*cluster
	Network network
	// Programs are the built programs, as paths below the cache.
	Programs map[string]string
}

// newNode plans the node that hack/cluster up makes: where one is there, with its subnet, else the environment's.
func newNode(c *cluster, r record) (*node, error) {
	subnet := r.Subnet
	if subnet == "" {
		subnet = os.Getenv("CLUSTER_SUBNET")
	}
	if subnet == "" {
		subnet = defaultSubnet
	}
	network, err := newNetwork(subnet)
	return &node{cluster: c, Network: network}, err
}

// locatePrograms fills Programs in.
func (n *node) locatePrograms() error {
	n.Programs = map[string]string{}
	for _, p := range nodePrograms {
		path, err := n.builder.path(p)
		if err != nil {
			return err
		}
		if n.Programs[p.name], err = filepath.Rel(n.builder.cache, path); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) link() link { return newLink(n.Name, n.Network) }

// cgroup is the name of the group, in every cgroup hierarchy, that all of the node is in.
func (n *node) cgroup() string { return "whatsapp-operator." + n.Name }

// plan is what the supervisor is told, in a file: it runs on when the source has changed.
type plan struct {
	Name     string            `json:"name"`
	Subnet   string            `json:"subnet"`
	Programs map[string]string `json:"programs"`
}

func planFile(dir string) string { return filepath.Join(dir, "config", "plan.json") }

func (n *node) writePlan() error {
	text, err := json.MarshalIndent(plan{n.Name, n.Network.Subnet.String(), n.Programs}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(planFile(n.dir), append(text, '\n'), 0o600)
}

// plannedNode is the node as the supervisor, in dir, was told it.
func plannedNode(dir, cache string) (*node, error) {
	text, err := os.ReadFile(planFile(dir))
	if err != nil {
		return nil, err
	}
	var p plan
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%s: %w", planFile(dir), err)
	}
	network, err := newNetwork(p.Subnet)
	return &node{
		cluster:  &cluster{Name: p.Name, dir: dir, builder: builder{cache: cache}},
		Network:  network,
		Programs: p.Programs,
	}, err
}
