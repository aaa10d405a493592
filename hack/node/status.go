package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

var errNotUp = errors.New("the cluster is not up; hack/cluster up makes it")

// status prints the components and what the cluster says of its node.
func (n *node) status(ctx context.Context) error {
	r, err := n.record()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "cluster     %s: one node, built from source\nkubeconfig  %s\nlogs        %s\n", n.Name, n.kubeconfig(), n.path("log"))
	if !r.Supervisor.alive() {
		return errors.New("the node's first process does not run; hack/cluster up starts it again")
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "\nCOMPONENT\tVERSION\tPID\tHEALTH")
	fmt.Fprintf(out, "supervisor\t\t%d\tok\n", r.Supervisor.PID)
	pids := r.Supervisor.children()
	var sick []string
	for _, c := range n.components() {
		health := "ok"
		if err := c.healthy(ctx, n.outsideView(r)); err != nil {
			health = err.Error()
			sick = append(sick, c.name)
		}
		pid := "-"
		if id, ok := pids[c.name]; ok {
			pid = strconv.Itoa(id)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", c.name, n.componentVersion(ctx, c), pid, health)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if len(sick) > 0 {
		return fmt.Errorf("not healthy: %s", strings.Join(sick, ", "))
	}
	fmt.Fprintln(os.Stdout)
	for _, args := range [][]string{
		{"get", "nodes", "--output=wide"},
		{"get", "deployments", "--namespace=kube-system"},
	} {
		table, err := n.runKubectl(ctx, "", args...)
		if err != nil {
			return err
		}
		fmt.Fprint(os.Stdout, table)
	}
	return n.ready(ctx)
}

// ready tells whether the node takes pods and the add-ons run.
func (n *node) ready(ctx context.Context) error {
	for _, args := range [][]string{
		{"wait", "node/" + n.Name, "--for=condition=Ready", "--timeout=1s"},
		{"wait", "--namespace=kube-system", "deployment/coredns", "deployment/provisioner", "--for=condition=Available", "--timeout=1s"},
	} {
		if _, err := n.runKubectl(ctx, "", args...); err != nil {
			return err
		}
	}
	if err := n.dnsAnswers(ctx); err != nil {
		return fmt.Errorf("the cluster's DNS does not answer: %w", err)
	}
	return nil
}

func (n *node) componentVersion(ctx context.Context, c component) string {
	if c.program.module != nil {
		version, err := n.builder.version(c.program.module)
		if err != nil {
			return "?"
		}
		return version
	}
	// containerd github.com/containerd/containerd 1.6.20 commit
	said, err := output(ctx, c.name, "--version")
	if fields := strings.Fields(said); err == nil && len(fields) > 2 {
		return fields[2]
	}
	return "?"
}
