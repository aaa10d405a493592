package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// errDead is what requests of a process that is dead end with.
var errDead = errors.New("the operator was killed")

// errLost is what a request ends with that does not arrive.
var errLost = errors.New("the connection was lost")

// injection brings faults between operators on one side, and the API server and Meta on the other. It tells channels apart
// by their namespaces, so that many fail at the same time, each in its own way.
type injection struct {
	mu     sync.Mutex
	plans  map[string]*faultPlan
	owners map[string]string
	// held stops what the watch of channels tells, until it is closed.
	held chan struct{}
}

// faultPlan is what goes wrong in one namespace.
type faultPlan struct {
	// dieAfter lets the operator be dead from its write of this number on: that arrives, and its answer does not. 0 is
	// before the first, -1 never.
	dieAfter int
	// dieAt lets it be dead from its first write of this name on, which arrives.
	dieAt string
	// drop is the number of the watch event that gets lost; 0 is none.
	drop int
	// dropEnds lets every watch event get lost that tells of the end of an object.
	dropEnds bool
	// lose lets its next write of this name get lost on the way, and denyWrite has the API server forbid all of that name.
	lose, denyWrite string
	// forbid says that the API server allows no write but of channels, as one does that has not read the roles yet.
	forbid bool

	// dead says that nothing arrives any more, and killed that the last write did.
	dead    bool
	killed  bool
	dropped bool
	// ends is how many ends of objects nobody was told of.
	ends   int
	writes []string
	// refused are the writes that were forbidden.
	refused []string
	events  []string
}

func newInjection() *injection {
	return &injection{plans: map[string]*faultPlan{}, owners: map[string]string{}}
}

// faults are those of the operator that most specs share.
var faults = newInjection()

// plan says what goes wrong with the channel of a fixture.
func (i *injection) plan(f *fixture, plan faultPlan) *faultPlan {
	i.mu.Lock()
	defer i.mu.Unlock()
	plan.dead, plan.killed = plan.dieAfter == 0, plan.dieAfter == 0
	i.plans[f.namespace] = &plan
	for _, id := range []string{f.app.ID, f.account.ID, f.number.ID} {
		i.owners[id] = f.namespace
	}
	return &plan
}

// none ends all faults.
func (i *injection) none() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, plan := range i.plans {
		plan.dead, plan.dieAfter, plan.dieAt, plan.drop, plan.dropEnds, plan.forbid, plan.denyWrite = false, -1, "", 0, false, false, ""
	}
}

func (i *injection) read(read func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	read()
}

var namespacePath = regexp.MustCompile(`/namespaces/([^/]+)/(.+)`)

// kubernetes wraps what leads to the API server.
func (i *injection) kubernetes(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		found := namespacePath.FindStringSubmatch(r.URL.Path)
		if len(found) == 0 || strings.Contains(found[2], "events") {
			return next.RoundTrip(r)
		}
		return i.pass(next, r, found[1], r.Method+" "+found[2])
	})
}

// meta wraps what leads to Meta.
func (i *injection) meta(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		path := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
		i.mu.Lock()
		namespace, known := i.owners[path[min(1, len(path)-1)]]
		i.mu.Unlock()
		if !known {
			return next.RoundTrip(r)
		}
		return i.pass(next, r, namespace, r.Method+" Meta "+strings.Join(path[min(2, len(path)):], "/"))
	})
}

func (i *injection) pass(next http.RoundTripper, r *http.Request, namespace, what string) (*http.Response, error) {
	i.mu.Lock()
	plan := i.plans[namespace]
	if plan == nil {
		i.mu.Unlock()
		return next.RoundTrip(r)
	}
	if plan.dead {
		i.mu.Unlock()
		return nil, errDead
	}
	if r.Method == http.MethodGet || strings.Contains(what, " leases") {
		i.mu.Unlock()
		return next.RoundTrip(r)
	}
	if what == plan.lose {
		plan.lose = ""
		i.mu.Unlock()
		return nil, errLost
	}
	if what == plan.denyWrite || plan.forbid && strings.HasPrefix(r.URL.Path, "/api") && !strings.Contains(what, " whatsappchannels/") {
		plan.refused = append(plan.refused, what)
		i.mu.Unlock()
		return forbidden(r)
	}
	plan.writes = append(plan.writes, what)
	last := len(plan.writes) == plan.dieAfter || what == plan.dieAt
	plan.dead = last
	i.mu.Unlock()
	response, err := next.RoundTrip(r)
	if !last {
		return response, err
	}
	if err == nil {
		_ = response.Body.Close()
	}
	i.read(func() { plan.killed = true })
	return nil, errDead
}

// forbidden is what the API server answers to who lacks a right.
func forbidden(r *http.Request) (*http.Response, error) {
	status := apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "support-receiver", errors.New("the user has not the right")).Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	body, err := json.Marshal(status)
	return &http.Response{
		StatusCode: http.StatusForbidden, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, err
}

// newInformer makes the informers of an operator's cache.
func (i *injection) newInformer(source toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	return toolscache.NewSharedIndexInformer(&faultyWatch{source, i}, object, resync, indexers)
}

type faultyWatch struct {
	toolscache.ListerWatcher
	injection *injection
}

func (w *faultyWatch) Watch(options metav1.ListOptions) (watch.Interface, error) {
	source, err := toolscache.ToWatcherWithContext(w.ListerWatcher).WatchWithContext(context.Background(), options)
	if err != nil {
		return nil, err
	}
	return watch.Filter(source, w.injection.event), nil
}

// event passes an event on, or not.
func (i *injection) event(event watch.Event) (watch.Event, bool) {
	object, ok := event.Object.(metav1.Object)
	if !ok || event.Type == watch.Bookmark {
		return event, true
	}
	i.mu.Lock()
	held := i.held
	i.mu.Unlock()
	if _, isChannel := event.Object.(*v1alpha1.WhatsAppChannel); isChannel && held != nil {
		<-held
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	plan := i.plans[object.GetNamespace()]
	if plan == nil {
		return event, true
	}
	if plan.dropEnds && event.Type == watch.Deleted {
		plan.ends++
		return event, false
	}
	kind := event.Object.GetObjectKind().GroupVersionKind().Kind
	plan.events = append(plan.events, string(event.Type)+" "+kind+" "+object.GetName())
	if len(plan.events) == plan.drop {
		plan.dropped = true
		return event, false
	}
	return event, true
}

// holdChannels keeps the cache of channels as it is, until the returned function is called.
func (i *injection) holdChannels() (release func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	held := make(chan struct{})
	i.held = held
	return sync.OnceFunc(func() {
		i.mu.Lock()
		i.held = nil
		i.mu.Unlock()
		close(held)
	})
}
