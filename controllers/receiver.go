package controllers

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// configure brings the receiver's configuration up to date. The running receiver reads it again by itself.
func (r *Reconciler) configure(ctx context.Context, s *scope) error {
	if s.blocker != nil && (s.blocker.reason == v1alpha1.ReasonStorageOfAnotherNumber || s.blocker.reason == v1alpha1.ReasonVerifyTokenOfAnotherNumber) {
		// A receiver must not work for one number on the data of another.
		return nil
	}
	current := &corev1.ConfigMap{}
	declared, err := manifests.ConfigMap(s.channel, s.configuredNumber(nil), r.Options.Graph, r.place(s))
	if err != nil {
		return err
	}
	existed, err := r.findOrMake(ctx, s, declared, current)
	if err != nil || !existed {
		return r.blockOnRefusal(s, err)
	}
	if !metav1.IsControlledBy(current, s.channel) {
		return r.blockOnRefusal(s, &foreignError{kind: "ConfigMap", name: current.Name})
	}
	if declared, err = manifests.ConfigMap(s.channel, s.configuredNumber(current), r.Options.Graph, r.place(s)); err != nil {
		return err
	}
	return r.blockOnRefusal(s, r.apply(ctx, declared, current))
}

// configuredNumber is the number that the receiver works for: the channel's own, once it is sure to be, else the one
// that the receiver has already. A receiver that knows its number keeps it whatever Meta says.
func (s *scope) configuredNumber(current *corev1.ConfigMap) *config.PhoneNumber {
	if s.number != nil && s.held {
		return &config.PhoneNumber{ID: s.number.ID, Display: s.number.DisplayPhoneNumber, ThroughputLevel: s.number.ThroughputLevel}
	}
	if current == nil {
		return nil
	}
	running, err := config.Parse([]byte(current.Data[config.ChannelFile]))
	if err != nil {
		return nil
	}
	return running.PhoneNumber
}

// identify makes the ServiceAccount of the receiver, which has no rights, and the Service that reaches it inside the
// cluster.
func (r *Reconciler) identify(ctx context.Context, s *scope) error {
	if err := r.blockOnRefusal(s, r.own(ctx, s, manifests.ServiceAccount(s.channel), &corev1.ServiceAccount{})); err != nil {
		return err
	}
	return r.blockOnRefusal(s, r.own(ctx, s, manifests.Service(s.channel), &corev1.Service{}))
}

// deploy runs the receiver, and says how it goes. A receiver that runs is left alone while something it needs is
// missing: it has what it started with.
func (r *Reconciler) deploy(ctx context.Context, s *scope) error {
	deployment := &appsv1.Deployment{}
	name := manifests.ReceiverName(s.channel.Name)
	if s.blocker == nil && s.verifyTokenRef != nil && s.accessToken.known() && s.private.known() {
		token, err := r.helpdeskToken(ctx, s, deployment)
		if err != nil {
			return err
		}
		declared := manifests.Deployment(s.channel, manifests.Pod{
			Image:         r.Options.ReceiverImage,
			VerifyToken:   *s.verifyTokenRef,
			HelpdeskToken: token,
			HelpdeskSigns: s.helpdeskSigns,
			CA:            r.Options.Graph.CA != "",
			Environment:   r.Options.ReceiverEnvironment,

			PlatformChoosesUser: r.Options.PlatformChoosesUser,
		})
		if err := r.blockOnRefusal(s, r.ownDeployment(ctx, s, declared, deployment)); err != nil {
			return err
		}
	} else if _, err := r.find(ctx, s, name, deployment); err != nil {
		return err
	}
	if deployment.UID != "" && !metav1.IsControlledBy(deployment, s.channel) {
		deployment = &appsv1.Deployment{}
	}
	s.receiverStatus = s.channel.Status.Receiver.DeepCopy()
	if s.receiverStatus == nil {
		s.receiverStatus = &v1alpha1.ReceiverStatus{}
	}
	ready := deployment.Status.ReadyReplicas
	s.receiverStatus.ReadyReplicas = &ready
	s.available = deployment.Status.AvailableReplicas > 0
	if s.blocker != nil && (!s.available || s.blocker.reason != v1alpha1.ReasonWaitingForSecrets) {
		s.receiver = s.blocker
	} else if err := r.judgeReceiver(ctx, s, deployment); err != nil {
		return err
	}
	s.tellOfVolume()
	return nil
}

// ownDeployment brings the receiver's Deployment to its declared state. One that the cache did not show when it was looked
// where its data is may keep it elsewhere, so that is looked at first.
func (r *Reconciler) ownDeployment(ctx context.Context, s *scope, declared declaration, current *appsv1.Deployment) error {
	if s.deploymentSeen {
		return r.own(ctx, s, declared, current)
	}
	err := r.make(ctx, s, declared, current)
	if errors.Is(err, errHidden) {
		s.again = true
		return nil
	}
	return err
}

// judgeReceiver says whether the receiver runs and, if not, what its pod waits for.
func (r *Reconciler) judgeReceiver(ctx context.Context, s *scope, deployment *appsv1.Deployment) error {
	current := deployment.Status.ObservedGeneration >= deployment.Generation && deployment.UID != ""
	if current && s.available && deployment.Status.UpdatedReplicas > 0 && deployment.Status.UnavailableReplicas == 0 {
		s.receiver = works(v1alpha1.ReasonAvailable, "The receiver takes webhooks.")
		return nil
	}
	starting := fails(v1alpha1.ReasonStarting, "The receiver is starting.")
	if !current {
		s.receiver = starting
		return nil
	}
	pods := &corev1.PodList{}
	err := r.Live.List(ctx, pods, client.InNamespace(s.channel.Namespace), client.MatchingLabels(manifests.PodLabels(s.channel.Name)))
	if err != nil {
		return fmt.Errorf("list the pods of Deployment %s: %w", deployment.Name, err)
	}
	s.wakeUpIn(podInterval)
	if s.receiver = podProblem(s.channel, pods.Items); s.receiver == nil {
		s.receiver = starting
	}
	if s.receiver.reason == v1alpha1.ReasonMountFailing {
		if err := r.explainMount(ctx, s); err != nil {
			return err
		}
	}
	for _, condition := range deployment.Status.Conditions {
		switch {
		case condition.Type == appsv1.DeploymentProgressing && condition.Status == corev1.ConditionFalse && !s.receiver.needsPerson():
			s.receiver = fails(v1alpha1.ReasonNotProgressing, "The receiver did not start in time. "+s.receiver.message)
		case condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue:
			s.receiver = fails(v1alpha1.ReasonRefused, "The receiver's pod cannot be created: "+condition.Message)
		}
	}
	return nil
}
