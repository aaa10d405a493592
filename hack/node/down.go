package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// down removes the node with all that it left on the machine.
func (n *node) down(ctx context.Context) error {
	r, err := n.record()
	if err != nil {
		return err
	}
	if r.Supervisor.alive() {
		progress("stopping the node")
	}
	if err := n.clean(ctx, r); err != nil {
		return err
	}
	return n.remove()
}

// clean ends the node and removes what it has on the machine outside its folder. The node's mounts, its
// network and its processes go with its first process.
func (n *node) clean(ctx context.Context, r record) error {
	if os.Geteuid() != 0 && r.Provider == "node" {
		return errors.New("the node was made by root, so run this as root")
	}
	if r.Provider != "node" {
		return nil
	}
	if err := r.Supervisor.stop(ctx, 30*time.Second); err != nil {
		return err
	}
	return errors.Join(
		removeCgroups(ctx, n.cgroup()),
		n.link().disconnect(ctx, r.ForwardingWas),
	)
}
