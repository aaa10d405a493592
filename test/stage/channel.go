package stage

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// Condition is one of a channel's conditions, which is unknown as long as it is about an older spec.
func (c *Cluster) Condition(ctx context.Context, channel client.ObjectKey, conditionType string) (metav1.Condition, error) {
	var read v1alpha1.WhatsAppChannel
	if err := c.Get(ctx, channel, &read); err != nil {
		return metav1.Condition{}, err
	}
	for _, condition := range read.Status.Conditions {
		if condition.Type == conditionType && condition.ObservedGeneration == read.Generation {
			return condition, nil
		}
	}
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionUnknown}, nil
}

// Ask sets one of the annotations by which a channel's operator is asked for something, and returns the value, which is
// another each time.
func (c *Cluster) Ask(ctx context.Context, channel client.ObjectKey, annotation string) (string, error) {
	value := time.Now().UTC().Format(time.RFC3339Nano)
	_, err := c.Kubectl(ctx, "annotate", "--overwrite", "--namespace", channel.Namespace, "wac", channel.Name, annotation+"="+value)
	return value, err
}

// Receivers are the pods of a channel's receiver that are not about to go.
func (c *Cluster) Receivers(ctx context.Context, channel client.ObjectKey) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := c.List(ctx, &pods, client.InNamespace(channel.Namespace), client.MatchingLabels{"app.kubernetes.io/instance": channel.Name})
	return slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return !pod.DeletionTimestamp.IsZero() }), err
}

// TakenOver says whether another pod than the one with the UID takes webhooks for the channel.
func (c *Cluster) TakenOver(ctx context.Context, channel client.ObjectKey, before types.UID) (bool, error) {
	pods, err := c.Receivers(ctx, channel)
	return slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return pod.UID != before && PodReady(pod) }), err
}
