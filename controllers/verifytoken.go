package controllers

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// verifyTokenSecret finds the verify token, or makes it once.
func (r *Reconciler) verifyTokenSecret(ctx context.Context, s *scope) error {
	ref, field := v1alpha1.SecretKeyReference{Name: manifests.VerifyTokenName(s.channel.Name), Key: manifests.VerifyTokenKey}, "callback.verifyTokenSecretRef"
	if own := s.channel.Spec.Callback.VerifyTokenSecretRef; own != nil {
		ref = *own
	} else if ready, err := r.generateVerifyToken(ctx, s); err != nil || !ready {
		return err
	}
	value, missing, err := r.resolve(ctx, s.channel.Namespace, ref, field)
	if err != nil {
		return err
	}
	if missing != nil {
		s.blockReceiver(missing)
		s.wakeUpIn(unwatchedSecretInterval)
		return nil
	}
	s.verifyToken, s.verifyTokenRef = value, &ref
	return nil
}

// generateVerifyToken makes the Secret with the verify token where there is none, and keeps its metadata up to date.
// It reports whether the Secret may be used. The token of a Secret that is there is touched
// only on request.
func (r *Reconciler) generateVerifyToken(ctx context.Context, s *scope) (bool, error) {
	key := types.NamespacedName{Namespace: s.channel.Namespace, Name: manifests.VerifyTokenName(s.channel.Name)}
	secret, err := r.secrets.get(ctx, key)
	if apierrors.IsNotFound(err) {
		token, err := r.newToken()
		if err != nil {
			return false, err
		}
		secret = manifests.NewVerifyToken(s.channel, s.numberID(nil), token, rotationRequest(s.channel))
		if err := r.Live.Create(ctx, secret, client.FieldOwner(manifests.ManagedBy)); err != nil {
			return false, fmt.Errorf("create Secret %s: %w", key.Name, err)
		}
		r.secrets.keep(key, secret)
		s.rotation = rotationRequest(s.channel)
		if manifests.Retained(s.channel) {
			return true, s.remember(manifests.VerifyTokenMetadata(s.channel, s.numberID(nil)))
		}
	} else if err != nil {
		return false, err
	}
	if !madeFor(secret, s.channel) {
		s.blockReceiver(fails(v1alpha1.ReasonNameTaken, (&foreignError{kind: "Secret", name: key.Name}).Error()+
			" To use its token, name it in spec.callback.verifyTokenSecretRef."))
		return false, nil
	}
	if verdict := heirloom(s, secret); verdict != mayUse {
		s.blockReceiver(verdict.finding(v1alpha1.ReasonVerifyTokenOfAnotherNumber, "Secret", key.Name))
		return false, nil
	}
	if secret, err = r.rotateVerifyToken(ctx, s, secret); err != nil {
		return false, err
	}
	return true, r.apply(ctx, s, manifests.VerifyTokenMetadata(s.channel, s.numberID(secret)), secret)
}
