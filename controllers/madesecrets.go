package controllers

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// obtainSecret returns a Secret that the operator makes: the one that there is, else a new one, and whether it is new. It is
// created and never applied, so that a value that is there cannot be replaced.
func (r *Reconciler) obtainSecret(
	ctx context.Context, key client.ObjectKey, fresh func() (*corev1.Secret, error),
) (secret *corev1.Secret, made bool, err error) {
	shown, err := r.secrets.shown(ctx, key)
	if err != nil {
		return nil, false, err
	}
	if shown {
		if secret, err = r.secrets.get(ctx, key); !apierrors.IsNotFound(err) {
			return secret, false, err
		}
	}
	if secret, err = fresh(); err != nil {
		return nil, false, err
	}
	err = r.Live.Create(ctx, secret, client.FieldOwner(manifests.ManagedBy))
	if apierrors.IsAlreadyExists(err) {
		secret, err = r.secrets.get(ctx, key)
		return secret, false, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("create Secret %s: %w", key.Name, err)
	}
	r.secrets.keep(key, secret)
	return secret, true, nil
}

// changeSecret changes the data and the annotations of a Secret that the operator made, and returns it as it is then. A
// write that crosses another is refused, so that no value is replaced that the operator has not seen.
func (r *Reconciler) changeSecret(ctx context.Context, before, after *corev1.Secret) (*corev1.Secret, error) {
	if maps.EqualFunc(before.Data, after.Data, bytes.Equal) {
		return before, nil
	}
	change := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Live.Patch(ctx, after, change, client.FieldOwner(manifests.ManagedBy)); err != nil {
		return nil, fmt.Errorf("change Secret %s: %w", before.Name, err)
	}
	r.secrets.keep(client.ObjectKeyFromObject(after), after)
	return after, nil
}
