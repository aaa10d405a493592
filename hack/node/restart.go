package main

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// restart ends a component. The supervisor starts it again, and it is back when another process is healthy.
func (n *node) restart(ctx context.Context, name string) error {
	r, err := n.record()
	if err != nil {
		return err
	}
	before, runs := r.Supervisor.children()[name]
	if !runs {
		return fmt.Errorf("no %s runs; hack/cluster status shows the components", name)
	}
	if err := syscall.Kill(before, syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending %s: %w", name, err)
	}
	for _, c := range n.components() {
		if c.name != name {
			continue
		}
		back := poll(ctx, time.Minute, func() bool {
			now, runs := r.Supervisor.children()[name]
			return runs && now != before && c.healthy(ctx, n.outsideView(r)) == nil
		})
		if !back {
			return fmt.Errorf("%s did not come back; its log is in %s", name, n.path("log"))
		}
	}
	progress("%s was restarted", name)
	return nil
}

func (k kindCluster) restart(ctx context.Context, name string) error {
	_, err := output(ctx, "docker", "exec", k.Name+"-control-plane", "systemctl", "restart", name)
	return err
}

func (absent) restart(context.Context, string) error { return errNotUp }
