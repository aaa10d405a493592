// Package cluster is what kubectl whatsapp does in a cluster, with the rights of whoever runs it and no others.
package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/portforward"
)

// Dial connects to a port of a pod.
type Dial func(ctx context.Context, pod types.NamespacedName, port int32) (net.Conn, error)

// Cluster reads and annotates channels, and reaches their receivers.
type Cluster struct {
	client client.Client
	dial   Dial
}

// Open connects to a cluster. No request is made. Without dial, pods are reached by port-forward.
func Open(config *rest.Config, dial Dial) (*Cluster, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	// What is asked for is known, so that nothing has to be discovered first.
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("WhatsAppChannel"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	if dial == nil {
		dial = func(ctx context.Context, pod types.NamespacedName, port int32) (net.Conn, error) {
			return portforward.Dial(ctx, config, pod, port)
		}
	}
	return &Cluster{client: c, dial: dial}, nil
}

// Channel reads a channel.
func (c *Cluster) Channel(ctx context.Context, key types.NamespacedName) (*v1alpha1.WhatsAppChannel, error) {
	var channel v1alpha1.WhatsAppChannel
	err := c.client.Get(ctx, key, &channel)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("there is no channel %q in the namespace %q; `kubectl whatsapp status` lists those there are, "+
			"with -A those of all namespaces", key.Name, key.Namespace)
	}
	if err != nil {
		return nil, explain(err, "read the channel "+key.Name, channelRule("get", key))
	}
	return &channel, nil
}

// Channels lists the channels of a namespace, or of all where it is empty, by namespace and name.
func (c *Cluster) Channels(ctx context.Context, namespace string) ([]v1alpha1.WhatsAppChannel, error) {
	var list v1alpha1.WhatsAppChannelList
	if err := c.client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, explain(err, "list channels", channelRule("list", types.NamespacedName{Namespace: namespace}))
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.WhatsAppChannel) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return list.Items, nil
}

// Annotate sets an annotation of a channel, and nothing else of it, so that no GitOps tool sees a drift.
func (c *Cluster) Annotate(ctx context.Context, key types.NamespacedName, annotation, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: value}}})
	if err != nil {
		return err
	}
	channel := &v1alpha1.WhatsAppChannel{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := c.client.Patch(ctx, channel, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return explain(err, "annotate the channel "+key.Name, channelRule("patch", key))
	}
	return nil
}

// secret reads a Secret whose content the caller needs for a reason, which is said where it may not.
func (c *Cluster) secret(ctx context.Context, key types.NamespacedName) (*corev1.Secret, error) {
	var secret corev1.Secret
	err := c.client.Get(ctx, key, &secret)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the Secret %s does not exist in the namespace %s", key.Name, key.Namespace)
	}
	if err != nil {
		return nil, explain(err, "read the Secret "+key.Name,
			rule{resource: "secrets", name: key.Name, verb: "get", namespace: key.Namespace})
	}
	return &secret, nil
}

// SecretValue reads one key of a Secret.
func (c *Cluster) SecretValue(ctx context.Context, namespace string, ref v1alpha1.SecretKeyReference) (string, error) {
	secret, err := c.secret(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name})
	if err != nil {
		return "", err
	}
	value, ok := secret.Data[ref.Key]
	if !ok || len(value) == 0 {
		return "", fmt.Errorf("the Secret %s in the namespace %s has no key %s, or an empty one", ref.Name, namespace, ref.Key)
	}
	return string(value), nil
}

// ErrNotReady means that a channel does not work yet, as was said.
var ErrNotReady = errors.New("the channel is not ready")
