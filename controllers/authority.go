package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

func authorityOf(channel *v1alpha1.WhatsAppChannel) client.ObjectKey {
	return client.ObjectKey{Namespace: channel.Namespace, Name: manifests.AuthorityName(channel.Name)}
}

// findAuthorityKey returns the key of the authority that issues the private API's certificate, or nil where nobody has it.
// It is read only where something has to be issued: needed is false where all is in its place.
func (r *Reconciler) findAuthorityKey(ctx context.Context, s *scope, api *corev1.Secret) (key []byte, needed bool, err error) {
	if key := api.Data[manifests.AuthorityKeyKey]; len(key) > 0 {
		return key, true, nil
	}
	watched, err := r.secrets.watched(ctx, authorityOf(s.channel))
	if err != nil {
		return nil, false, err
	}
	_, good := certificateFiles(api.Data).Good(manifests.ReceiverHost(s.channel.Namespace, s.channel.Name), s.now)
	if good && !s.pastCache && watched != nil && metav1.IsControlledBy(watched, s.channel) {
		// It is read when the next certificate is issued.
		r.secrets.forget(authorityOf(s.channel))
		return nil, false, nil
	}
	secret, err := r.secrets.get(ctx, authorityOf(s.channel))
	if apierrors.IsNotFound(err) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	if !metav1.IsControlledBy(secret, s.channel) {
		return nil, false, &foreignError{kind: "Secret", name: secret.Name}
	}
	return secret.Data[manifests.AuthorityKeyKey], true, nil
}

// keepAuthorityKey keeps the key of the authority in a Secret of its own.
func (r *Reconciler) keepAuthorityKey(ctx context.Context, s *scope, authorityKey []byte) error {
	secret, made, err := r.obtainSecret(ctx, authorityOf(s.channel), func() (*corev1.Secret, error) {
		return manifests.NewAuthority(s.channel, authorityKey), nil
	})
	if err != nil || made {
		return err
	}
	if !metav1.IsControlledBy(secret, s.channel) {
		return &foreignError{kind: "Secret", name: secret.Name}
	}
	changed := secret.DeepCopy()
	changed.Data = map[string][]byte{manifests.AuthorityKeyKey: authorityKey}
	if secret, err = r.changeSecret(ctx, secret, changed); err != nil {
		return err
	}
	return r.supplement(ctx, manifests.AuthorityMetadata(s.channel), secret)
}
