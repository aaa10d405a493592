package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const (
	// podInterval is how often pods are looked at while the receiver does not run. They are not watched.
	podInterval = 20 * time.Second
	// crashLoop is what the kubelet says of a container between two starts.
	crashLoop = "CrashLoopBackOff"
	// maxQuoted bounds what is quoted of another component's message.
	maxQuoted = 300
)

// podProblem says what the newest of a receiver's pods waits for, or nil where it just starts. Messages of the kubelet
// are not quoted: they hold names and times that change with every attempt.
func podProblem(channel *v1alpha1.WhatsAppChannel, pods []corev1.Pod) *finding {
	var newest *corev1.Pod
	for i := range pods {
		if pods[i].DeletionTimestamp.IsZero() && (newest == nil || newest.CreationTimestamp.Before(&pods[i].CreationTimestamp)) {
			newest = &pods[i]
		}
	}
	if newest == nil {
		return nil
	}
	for _, condition := range newest.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return fails(v1alpha1.ReasonUnschedulable, "No node takes the receiver's pod: "+bounded(strings.TrimSpace(condition.Message), maxQuoted))
		}
	}
	for i := range newest.Status.ContainerStatuses {
		if status := &newest.Status.ContainerStatuses[i]; status.Name == manifests.ContainerName {
			return containerProblem(channel, status)
		}
	}
	return nil
}

func containerProblem(channel *v1alpha1.WhatsAppChannel, status *corev1.ContainerStatus) *finding {
	logs := fmt.Sprintf("See: kubectl logs --namespace %s deployment/%s --previous", channel.Namespace, manifests.ReceiverName(channel.Name))
	ended := status.State.Terminated
	if ended == nil {
		ended = status.LastTerminationState.Terminated
	}
	waits := ""
	if status.State.Waiting != nil {
		waits = status.State.Waiting.Reason
	}
	if f := volumeProblem(channel, ended); f != nil && !status.Ready && (waits == "" || waits == crashLoop) {
		return f
	}
	switch waits {
	case "":
		if ended != nil && !status.Ready {
			return fails(v1alpha1.ReasonStarting, fmt.Sprintf("The receiver ended with %s and is starting again. %s", ending(ended), logs))
		}
		if status.State.Running != nil && !status.Ready {
			return fails(v1alpha1.ReasonStarting, fmt.Sprintf(
				"The receiver runs and cannot take webhooks yet. If that lasts, its volume or database does not answer, or its database can be read and not written. See: kubectl logs --namespace %s deployment/%s",
				channel.Namespace, manifests.ReceiverName(channel.Name)))
		}
	case crashLoop:
		how := "an error"
		if ended != nil {
			how = ending(ended)
		}
		return fails(v1alpha1.ReasonCrashLooping, fmt.Sprintf("The receiver starts and ends again with %s. %s", how, logs))
	case "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull":
		return fails(v1alpha1.ReasonImageNotPulled, fmt.Sprintf("The node cannot get the receiver's image %s. Check the operator's --receiver-image and the node's access to the registry.", status.Image))
	case "ContainerCreating", "CreateContainerConfigError":
		return fails(v1alpha1.ReasonMountFailing, "The receiver's pod is being set up. If that lasts, a volume or Secret cannot be mounted: see kubectl describe pod in its namespace.")
	}
	return nil
}

// volumeProblem is what the exit code of a receiver tells of its volume; nil where it tells nothing.
func volumeProblem(channel *v1alpha1.WhatsAppChannel, ended *corev1.ContainerStateTerminated) *finding {
	if ended == nil {
		return nil
	}
	claim := manifests.DataName(channel.Name)
	switch ended.ExitCode {
	case config.ExitVolumeFull:
		return fails(v1alpha1.ReasonVolumeFull, "The receiver ended because its volume is full, and starts again by itself. Make the volume larger: raise spec.receiver.storage.sqlite.size. What was acknowledged is kept, and Meta sends again what is turned away meanwhile, for seven days.")
	case config.ExitVolumeFailed:
		return fails(v1alpha1.ReasonVolumeFailing, fmt.Sprintf("The receiver ended because its volume cannot be read or written, and starts again by itself. See what the node and the storage say of PersistentVolumeClaim %q, and mend that. Meta sends again what is turned away meanwhile, for seven days.", claim))
	case config.ExitDataDamaged:
		return fails(v1alpha1.ReasonDataDamaged, fmt.Sprintf("The receiver ended because the database on its volume looks damaged, which a volume that failed also causes. If it stays so, check PersistentVolumeClaim %q, and restore it from a copy.", claim))
	}
	return nil
}

func ending(ended *corev1.ContainerStateTerminated) string {
	if ended.Reason == "OOMKilled" {
		return "too little memory (OOMKilled); raise spec.receiver.resources"
	}
	return fmt.Sprintf("exit code %d", ended.ExitCode)
}

// explainMount names the Secret with the certificate where that is what the pod waits for: it is the one thing that the
// pod mounts and the operator does not read.
func (r *Reconciler) explainMount(ctx context.Context, s *scope) error {
	exposure := s.channel.Spec.Callback.Exposure.Service
	if exposure == nil {
		return nil
	}
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.channel.Namespace, Name: exposure.TLSSecretName}, secret)
	if apierrors.IsNotFound(err) {
		s.receiver = fails(v1alpha1.ReasonMountFailing, fmt.Sprintf(
			"Secret %q with the certificate, which spec.callback.exposure.service.tlsSecretName names, does not exist. The receiver starts as soon as it does.", exposure.TLSSecretName))
		return nil
	}
	return err
}
