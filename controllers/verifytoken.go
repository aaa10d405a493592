package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// verifyTokenSecret finds the verify token, or makes it once.
func (r *Reconciler) verifyTokenSecret(ctx context.Context, s *scope) error {
	ref, value, missing, err := r.findVerifyToken(ctx, s)
	if err != nil {
		return r.blockOnRefusal(s, err)
	}
	if missing != nil {
		s.blockReceiver(missing)
		s.wakeUpIn(unwatchedSecretInterval)
		return nil
	}
	if value.known() {
		s.verifyToken, s.verifyTokenRef = value, &ref
	}
	return nil
}

// findVerifyToken returns the verify token and where it is. Where a person has to help, the finding says how; a generated
// one that must not be used is not returned.
func (r *Reconciler) findVerifyToken(ctx context.Context, s *scope) (v1alpha1.SecretKeyReference, secretValue, *finding, error) {
	const field = "callback.verifyTokenSecretRef"
	if own := s.channel.Spec.Callback.VerifyTokenSecretRef; own != nil {
		value, missing, err := r.resolve(ctx, s.channel.Namespace, *own, field)
		return *own, value, missing, err
	}
	ref := v1alpha1.SecretKeyReference{Name: manifests.VerifyTokenName(s.channel.Name), Key: manifests.VerifyTokenKey}
	secret, err := r.generateVerifyToken(ctx, s)
	if err != nil || secret == nil {
		return ref, secretValue{}, nil, err
	}
	value, missing := valueOf(secret, ref, field)
	return ref, value, missing, nil
}

// generateVerifyToken makes the Secret with the verify token where there is none, and keeps its metadata up to date. It
// returns nil where the Secret must not be used. The token of a Secret that is there is touched only on request.
func (r *Reconciler) generateVerifyToken(ctx context.Context, s *scope) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: s.channel.Namespace, Name: manifests.VerifyTokenName(s.channel.Name)}
	secret, _, err := r.obtainSecret(ctx, key, func() (*corev1.Secret, error) {
		token, err := r.newToken()
		return manifests.NewVerifyToken(s.channel, s.numberID(nil), token, rotationRequest(s.channel)), err
	})
	if err != nil {
		return nil, err
	}
	if !madeFor(secret, s.channel) {
		s.blockReceiver(fails(v1alpha1.ReasonNameTaken, (&foreignError{kind: "Secret", name: key.Name}).Error()+
			" To use its token, name it in spec.callback.verifyTokenSecretRef."))
		s.wakeUpIn(refusedInterval)
		return nil, nil
	}
	if verdict := heirloom(s, secret); verdict != mayUse {
		s.blockReceiver(verdict.finding(v1alpha1.ReasonVerifyTokenOfAnotherNumber, "Secret", key.Name))
		return nil, nil
	}
	if secret, err = r.rotateVerifyToken(ctx, s, secret); err != nil {
		return nil, err
	}
	return secret, r.applyHeirloom(ctx, s, manifests.VerifyTokenMetadata(s.channel, s.numberID(secret)), secret)
}
