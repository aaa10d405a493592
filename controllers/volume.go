package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// applyVolume brings the claim of the channel's volume to its declared state. Where only that it grows is refused, the receiver
// runs on with the volume that it has, and nothing else is held back.
func (r *Reconciler) applyVolume(ctx context.Context, s *scope, claim *corev1.PersistentVolumeClaim) error {
	declared := manifests.PersistentVolumeClaim(s.channel, s.numberID(claim), claim)
	err := r.applyHeirloom(ctx, s, declared, claim)
	size, wanted := claim.Spec.Resources.Requests, *declared.Spec.Resources.Requests
	if wanted.Storage().Cmp(*size.Storage()) <= 0 {
		return r.blockOnRefusal(s, err)
	}
	refused := s.refusal(err)
	if refused == nil {
		return err
	}
	declared.Spec.Resources.WithRequests(size)
	if err := r.applyHeirloom(ctx, s, declared, claim); err != nil {
		return r.blockOnRefusal(s, err)
	}
	s.notEnlarged = fmt.Sprintf(
		"The volume could not be enlarged from %[1]s to %[2]s, and the receiver goes on with what it has. %[3]s Let the volume's StorageClass and the quotas of the namespace allow the size, or set spec.receiver.storage.sqlite.size back to %[1]s; the operator tries again every minute.",
		size.Storage(), wanted.Storage(), refused.message)
	s.wakeUpIn(refusedInterval)
	return nil
}

// tellOfVolume adds to what is said of the receiver that its volume could not be enlarged.
func (s *scope) tellOfVolume() {
	if s.notEnlarged == "" {
		return
	}
	told := *s.receiver
	told.message += " " + s.notEnlarged
	if told.reason == v1alpha1.ReasonAvailable {
		told.reason = v1alpha1.ReasonVolumeNotEnlarged
	}
	s.receiver = &told
}
