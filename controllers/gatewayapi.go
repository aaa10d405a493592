package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// gatewayAPI watches HTTPRoutes in clusters that have them. Most of its life a cluster has the API or has not; but it may
// be installed while the operator runs, and the operator neither fails without it nor has to be restarted for it.
type gatewayAPI struct {
	mgr        ctrl.Manager
	controller controller.Controller
	namespaces []string

	mu     sync.Mutex
	routes cache.Cache
}

// watch starts to watch the operator's HTTPRoutes, if the cluster has the API, and reports whether it has.
func (g *gatewayAPI) watch() (bool, error) {
	if g == nil {
		return false, nil
	}
	kind := schema.GroupVersionKind{Group: gatewayv1.GroupVersion.Group, Version: gatewayv1.GroupVersion.Version, Kind: "HTTPRoute"}
	if _, err := g.mgr.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version); meta.IsNoMatchError(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("look for the Gateway API: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.routes != nil {
		return true, nil
	}
	// The manager's own cache cannot know a kind that may not be there: it would refuse to start.
	options := cache.Options{
		Scheme:               g.mgr.GetScheme(),
		Mapper:               g.mgr.GetRESTMapper(),
		HTTPClient:           g.mgr.GetHTTPClient(),
		DefaultTransform:     compact(),
		DefaultLabelSelector: labels.SelectorFromSet(labels.Set{manifests.ManagedByLabel: manifests.ManagedBy}),
		DefaultNamespaces:    namespaced(g.namespaces),
	}
	routes, err := cache.New(g.mgr.GetConfig(), options)
	if err != nil {
		return false, fmt.Errorf("set up the cache of HTTPRoutes: %w", err)
	}
	if err := g.mgr.Add(routes); err != nil {
		return false, fmt.Errorf("start the cache of HTTPRoutes: %w", err)
	}
	err = g.controller.Watch(source.Kind[client.Object](routes, &gatewayv1.HTTPRoute{},
		handler.EnqueueRequestsFromMapFunc(channelOf), predicate.ResourceVersionChangedPredicate{}))
	if err != nil {
		return false, fmt.Errorf("watch HTTPRoutes: %w", err)
	}
	g.routes = routes
	return true, nil
}

// synced waits until HTTPRoutes can be read, which takes a moment where the API was just installed.
func (g *gatewayAPI) synced(ctx context.Context) error {
	g.mu.Lock()
	routes := g.routes
	g.mu.Unlock()
	if !routes.WaitForCacheSync(ctx) {
		return errors.New("the HTTPRoutes could not be read in time")
	}
	return nil
}

// reader reads HTTPRoutes. It returns nil where the cluster has none that the operator made, because it never saw the API.
func (g *gatewayAPI) reader() client.Reader {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.routes == nil {
		return nil
	}
	return g.routes
}

// cached returns what reads objects of a kind without a request, or nil where there are none of it.
func (r *Reconciler) cached(object client.Object) client.Reader {
	if _, ok := object.(*gatewayv1.HTTPRoute); ok {
		return r.gateway.reader()
	}
	return r.Client
}

// lookForGatewayAPI starts the watch of HTTPRoutes where the cluster has them already.
func (r *Reconciler) lookForGatewayAPI(ctx context.Context) error {
	found, err := r.gateway.watch()
	if err == nil && !found {
		ctrl.LoggerFrom(ctx).V(1).Info("The cluster does not have the Gateway API; it is looked for again when a channel wants it")
	}
	return err
}
