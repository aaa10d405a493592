package controllers

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/certificate"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// PrivateAPI is what opens a receiver's private API to the operator.
type PrivateAPI struct {
	// Token is the bearer token of the receiver's status.
	Token cloudapi.Token
	// CA holds the PEM certificates that the receiver is trusted by.
	CA []byte
}

func (p PrivateAPI) known() bool { return p.Token != "" && len(p.CA) > 0 }

// tokenBytes is the length of generated tokens: 256 bits.
const tokenBytes = 32

// newToken makes a token of 256 bits.
func (r *Reconciler) newToken() (string, error) {
	random := make([]byte, tokenBytes)
	if _, err := io.ReadFull(r.Random, random); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return hex.EncodeToString(random), nil
}

// privateAPI makes the two tokens and the certificate of the receiver's private API, and renews the certificate. It also
// keeps what the receiver still accepts in the place of secrets that were replaced. The receiver takes up what changed by
// itself.
func (r *Reconciler) privateAPI(ctx context.Context, s *scope) error {
	key := types.NamespacedName{Namespace: s.channel.Namespace, Name: manifests.APIName(s.channel.Name)}
	secret, err := r.secrets.get(ctx, key)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	exists := err == nil
	if exists && !metav1.IsControlledBy(secret, s.channel) {
		s.blockReceiver(fails(v1alpha1.ReasonNameTaken, (&foreignError{kind: "Secret", name: key.Name}).Error()))
		return nil
	}
	if !exists {
		secret = manifests.NewAPI(s.channel)
	}
	completed := secret.DeepCopy()
	if completed.Data, err = r.complete(s, secret.Data); err != nil {
		return err
	}
	if secret, err = r.saveSecret(ctx, secret, completed); err != nil {
		return err
	}
	s.private = PrivateAPI{Token: cloudapi.Token(secret.Data[config.StatusTokenFile]), CA: secret.Data[manifests.CAKey]}
	// This declaration never loses a field, so a Secret that has everything needs no write, not even after a restart.
	declared := manifests.APIMetadata(s.channel)
	if err := s.remember(declared); err != nil {
		return err
	}
	return r.apply(ctx, s, declared, secret)
}

// complete returns the data of the private API's Secret with what it lacks, and notes when to look at it again.
func (r *Reconciler) complete(s *scope, data map[string][]byte) (map[string][]byte, error) {
	completed := map[string][]byte{}
	maps.Copy(completed, data)
	for _, name := range []string{config.StatusTokenFile, config.APITokenFile} {
		if len(completed[name]) > 0 {
			continue
		}
		token, err := r.newToken()
		if err != nil {
			return nil, err
		}
		completed[name] = []byte(token)
	}
	files, next, err := certificate.Renew(certificate.Files{
		Trusted: data[manifests.CAKey], AuthorityKey: data[manifests.CAPrivateKeyKey],
		Certificate: data[corev1.TLSCertKey], Key: data[corev1.TLSPrivateKeyKey],
	}, manifests.ReceiverHost(s.channel.Namespace, s.channel.Name), s.now)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of the receiver's private API: %w", err)
	}
	completed[manifests.CAKey], completed[manifests.CAPrivateKeyKey] = files.Trusted, files.AuthorityKey
	completed[corev1.TLSCertKey], completed[corev1.TLSPrivateKeyKey] = files.Certificate, files.Key
	s.wakeUpAt(next)
	s.keepPrevious(completed)
	return completed, nil
}

// saveSecret creates a Secret that the operator makes, or changes its data, and returns it as it is then. A write that
// crosses another is refused, so that no value is replaced that the operator has not seen.
func (r *Reconciler) saveSecret(ctx context.Context, before, after *corev1.Secret) (*corev1.Secret, error) {
	exists := before.ResourceVersion != ""
	switch {
	case exists && maps.EqualFunc(before.Data, after.Data, bytes.Equal):
		return before, nil
	case exists:
		change := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := r.Live.Patch(ctx, after, change, client.FieldOwner(manifests.ManagedBy)); err != nil {
			return nil, fmt.Errorf("change Secret %s: %w", before.Name, err)
		}
	default:
		if err := r.Live.Create(ctx, after, client.FieldOwner(manifests.ManagedBy)); err != nil {
			return nil, fmt.Errorf("create Secret %s: %w", before.Name, err)
		}
	}
	after.ManagedFields = nil
	r.secrets.keep(client.ObjectKeyFromObject(after), after)
	return after, nil
}
