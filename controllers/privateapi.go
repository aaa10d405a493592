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

// privateAPI makes the two tokens and the certificate of the receiver's private API, and renews the certificate. The
// receiver takes up what changed by itself.
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
		secret = manifests.NewAPI(s.channel, nil)
	}
	data, err := r.complete(s, secret.Data)
	if err != nil {
		return err
	}
	if secret, err = r.saveData(ctx, secret, data, exists); err != nil {
		return err
	}
	s.private = PrivateAPI{Token: cloudapi.Token(data[config.StatusTokenFile]), CA: data[manifests.CAKey]}
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
	return completed, nil
}

// saveData writes the data of a Secret that the operator makes, if it is not that already, and returns the Secret as it
// is then. A write that crosses another is refused, so that no value is replaced that the operator has not seen.
func (r *Reconciler) saveData(ctx context.Context, secret *corev1.Secret, data map[string][]byte, exists bool) (*corev1.Secret, error) {
	if exists && maps.EqualFunc(secret.Data, data, bytes.Equal) {
		return secret, nil
	}
	changed := secret.DeepCopy()
	changed.Data = data
	if exists {
		unchanged := client.MergeFromWithOptions(secret, client.MergeFromWithOptimisticLock{})
		if err := r.Live.Patch(ctx, changed, unchanged, client.FieldOwner(manifests.ManagedBy)); err != nil {
			return nil, fmt.Errorf("change Secret %s: %w", secret.Name, err)
		}
	} else if err := r.Live.Create(ctx, changed, client.FieldOwner(manifests.ManagedBy)); err != nil {
		return nil, fmt.Errorf("create Secret %s: %w", secret.Name, err)
	}
	changed.ManagedFields = nil
	r.secrets.keep(client.ObjectKeyFromObject(changed), changed)
	return changed, nil
}
