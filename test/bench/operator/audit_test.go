//go:build bench

package operator

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// auditPolicy lets the API server write down what the operator asks, and nobody else.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    users: ["system:serviceaccount:` + operatorNamespace + ":" + operatorName + `"]
  - level: None
`

// audit reads what the API server wrote down. It writes before it answers.
type audit struct {
	t    *testing.T
	file string
}

// requests counts requests by what they ask for, as in "patch deployments".
type requests map[string]int

// request is one entry of the log.
type request struct {
	Verb       string
	RequestURI string
	ObjectRef  struct{ Resource, Subresource string }
}

func (r request) String() string {
	switch {
	case r.ObjectRef.Resource == "":
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return r.Verb + " " + path
	case r.ObjectRef.Subresource != "":
		return r.Verb + " " + r.ObjectRef.Resource + "/" + r.ObjectRef.Subresource
	}
	return r.Verb + " " + r.ObjectRef.Resource
}

// sinceStart returns all requests but watches and those for the Lease of the leader election.
func (a *audit) sinceStart() requests {
	a.t.Helper()
	file, err := os.Open(a.file)
	must(a.t, err)
	defer file.Close()
	seen := requests{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		must(a.t, json.Unmarshal(lines.Bytes(), &r))
		if r.Verb != "watch" && r.ObjectRef.Resource != "leases" {
			seen[r.String()]++
		}
	}
	must(a.t, lines.Err())
	return seen
}

// settled waits until nothing was asked for a while, and returns what was asked until then.
func (a *audit) settled(quiet time.Duration) requests {
	a.t.Helper()
	const patience = 5 * time.Minute
	look := time.NewTicker(quiet)
	defer look.Stop()
	last := a.sinceStart()
	for range int(patience / quiet) {
		<-look.C
		now := a.sinceStart()
		if now.total() == last.total() {
			return now
		}
		last = now
	}
	a.t.Fatalf("the operator still asks the API server after %v", patience)
	return nil
}

func (r requests) total() (n int) {
	for _, count := range r {
		n += count
	}
	return n
}

// since returns the requests that are not among earlier ones.
func (r requests) since(earlier requests) requests {
	more := requests{}
	for what, count := range r {
		if count > earlier[what] {
			more[what] = count - earlier[what]
		}
	}
	return more
}

// String lists the requests, the most frequent first.
func (r requests) String() string {
	var text strings.Builder
	byCount := func(a, b string) int { return cmp.Or(r[b]-r[a], strings.Compare(a, b)) }
	for _, what := range slices.SortedFunc(maps.Keys(r), byCount) {
		fmt.Fprintf(&text, "\n  %6d %s", r[what], what)
	}
	return text.String()
}
