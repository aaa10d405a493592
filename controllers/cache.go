package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// CacheOptions are the options of a cache for the operator: of the objects that it makes it holds those with its label,
// of Secrets the metadata of those with theirs, and nothing of anything else. An empty list of namespaces means all.
func CacheOptions(namespaces []string) cache.Options {
	ours := labels.SelectorFromSet(labels.Set{manifests.ManagedByLabel: manifests.ManagedBy})
	usable := labels.SelectorFromSet(labels.Set{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel})
	options := cache.Options{
		DefaultTransform: compact(),
		// A read that would start another informer is a mistake, and is to fail rather than fill the memory.
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}:            {Label: ours},
			&corev1.Service{}:               {Label: ours},
			&corev1.ConfigMap{}:             {Label: ours},
			&corev1.ServiceAccount{}:        {Label: ours},
			&corev1.PersistentVolumeClaim{}: {Label: ours},
			&policyv1.PodDisruptionBudget{}: {Label: ours},
			&networkingv1.Ingress{}:         {Label: ours},
			&networkingv1.NetworkPolicy{}:   {Label: ours},
			&corev1.Secret{}:                {Label: usable},
		},
	}
	options.DefaultNamespaces = namespaced(namespaces)
	return options
}

// namespaced are the namespaces of a cache, or nil for all.
func namespaced(namespaces []string) map[string]cache.Config {
	var configs map[string]cache.Config
	for _, namespace := range namespaces {
		if configs == nil {
			configs = map[string]cache.Config{}
		}
		configs[namespace] = cache.Config{}
	}
	return configs
}

// compact returns what a cache does to each object before it keeps it. What the operator never looks at goes: managed fields,
// and the copy of all that was applied, which kubectl keeps in an annotation and which holds a Secret's values. What objects
// have in common, they share.
func compact() toolscache.TransformFunc {
	common := &sharing{}
	strip := cache.TransformStripManagedFields()
	return func(object any) (any, error) {
		object, err := strip(object)
		if err != nil {
			return nil, err
		}
		if meta, ok := object.(metav1.Object); ok {
			delete(meta.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
		}
		common.share(object)
		return object, nil
	}
}
