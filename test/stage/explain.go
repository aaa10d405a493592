package stage

import (
	"context"
	"fmt"
	"strings"
)

// Explain shows what a namespace's pods and channels do and why, for somebody who looks at a failure.
func (c *Cluster) Explain(ctx context.Context, namespace string) string {
	var text strings.Builder
	for _, args := range [][]string{
		{"get", "all,pvc,wac", "-o", "wide"},
		{"describe", "wac"},
		{"describe", "pods"},
		{"get", "events", "--sort-by=.metadata.creationTimestamp"},
		{"logs", "--selector=app.kubernetes.io/name", "--all-containers", "--tail=60", "--prefix"},
	} {
		args = append(args, "--namespace", namespace)
		out, err := c.Kubectl(ctx, args...)
		fmt.Fprintf(&text, "$ kubectl %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			// What cannot be shown must not hide the rest.
			fmt.Fprintln(&text, err)
		}
	}
	return text.String()
}
