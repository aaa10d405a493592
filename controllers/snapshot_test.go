package controllers_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// childKinds are the kinds of what the operator makes for a channel, besides HTTPRoutes.
var childKinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"},
	{Version: "v1", Kind: "PersistentVolumeClaim"},
	{Version: "v1", Kind: "Secret"},
	{Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "ServiceAccount"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
}

// children are all objects of the operator in the namespace, as JSON, by kind and name. What the API server adds is left
// out, of Secrets the values too, and what tells one channel from another of the same making has the same name for all.
func (f *fixture) children(channel *v1alpha1.WhatsAppChannel) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	for _, object := range f.objects(childKinds, client.MatchingLabels{manifests.ManagedByLabel: manifests.ManagedBy}) {
		found[object.GetKind()+" "+object.GetName()] = f.normalized(channel, &object)
	}
	return found
}

// normalized is an object without what differs between two that are alike.
func (f *fixture) normalized(channel *v1alpha1.WhatsAppChannel, object *unstructured.Unstructured) string {
	GinkgoHelper()
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"} {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
	// It is a hash of names as they are.
	unstructured.RemoveNestedField(object.Object, "metadata", "labels", manifests.DeclarationLabel)
	annotations := object.GetAnnotations()
	maps.DeleteFunc(annotations, func(key, _ string) bool { return strings.HasPrefix(key, "example.com/") })
	if object.SetAnnotations(annotations); len(annotations) == 0 {
		object.SetAnnotations(nil)
	}
	delete(object.Object, "status")
	if object.GetKind() == "Service" {
		unstructured.RemoveNestedField(object.Object, "spec", "clusterIP")
		unstructured.RemoveNestedField(object.Object, "spec", "clusterIPs")
	}
	if data, ok := object.Object["data"].(map[string]any); ok && object.GetKind() == "Secret" {
		object.Object["data"] = slices.Sorted(maps.Keys(data))
	}
	return f.renamed(channel, object.Object)
}

// renamed is an object as JSON, with the same names for what each fixture has of its own.
func (f *fixture) renamed(channel *v1alpha1.WhatsAppChannel, object any) string {
	GinkgoHelper()
	encoded, err := json.Marshal(object)
	Expect(err).NotTo(HaveOccurred())
	return strings.NewReplacer(
		f.namespace, "NAMESPACE", string(channel.UID), "UID", f.number.ID, "NUMBER-ID", f.account.ID, "ACCOUNT-ID", f.app.ID, "APP-ID",
		f.number.DisplayPhoneNumber, "NUMBER", cloudapi.Digits(f.number.DisplayPhoneNumber), "DIGITS",
	).Replace(string(encoded))
}

// outcome is what a channel has come to: its objects, its status without times, and how often the registration was written.
func (f *fixture) outcome(channel *v1alpha1.WhatsAppChannel) map[string]string {
	GinkgoHelper()
	found := f.children(channel)
	read := f.current(channel)
	for i := range read.Status.Conditions {
		read.Status.Conditions[i].LastTransitionTime.Reset()
	}
	read.Status.Graph.LastRefreshTime, read.Status.Graph.Inputs = nil, ""
	found["status"] = f.renamed(channel, map[string]any{"status": read.Status, "finalizers": read.Finalizers, "spec": read.Spec})
	return found
}

// differences are the objects in which two collections differ.
func differences(wanted, got map[string]string) []string {
	var found []string
	for name, object := range wanted {
		if got[name] != object {
			found = append(found, name+"\nwanted: "+object+"\ngot:    "+got[name])
		}
	}
	for name, object := range got {
		if wanted[name] == "" {
			found = append(found, name+"\nwanted: nothing\ngot:    "+object)
		}
	}
	return found
}

// runKubelet does what the cluster's controllers and kubelets would, for every receiver in some namespaces, until the spec
// is over: its pods become available.
func runKubelet(namespaces ...string) {
	GinkgoHelper()
	untilTheSpecIsOver(func(ctx context.Context) {
		for _, namespace := range namespaces {
			deployments := &appsv1.DeploymentList{}
			if api.List(ctx, deployments, client.InNamespace(namespace)) != nil {
				continue
			}
			for i := range deployments.Items {
				makeAvailable(ctx, &deployments.Items[i])
			}
		}
	})
}

// untilTheSpecIsOver does something again and again.
func untilTheSpecIsOver(do func(ctx context.Context)) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	DeferCleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			do(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
}

func makeAvailable(ctx context.Context, deployment *appsv1.Deployment) {
	if deployment.Status.ObservedGeneration == deployment.Generation {
		return
	}
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
	}
	// Where the operator was faster, the next round comes soon.
	_ = api.Status().Update(ctx, deployment)
}
