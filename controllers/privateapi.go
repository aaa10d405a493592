package controllers

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	secret, err := r.apiSecret(ctx, s)
	if err != nil {
		return r.blockOnRefusal(s, err)
	}
	s.private = PrivateAPI{Token: cloudapi.Token(secret.Data[config.StatusTokenFile]), CA: secret.Data[manifests.CAKey]}
	return r.blockOnRefusal(s, r.supplement(ctx, manifests.APIMetadata(s.channel), secret))
}

// apiSecret makes the Secret of the private API, or brings the data of the one that there is up to date. The key of the
// authority is kept apart from it.
func (r *Reconciler) apiSecret(ctx context.Context, s *scope) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: s.channel.Namespace, Name: manifests.APIName(s.channel.Name)}
	var files certificate.Files
	secret, made, err := r.obtainSecret(ctx, key, func() (secret *corev1.Secret, err error) {
		secret = manifests.NewAPI(s.channel)
		if files, err = r.issue(s, certificate.Files{}); err == nil {
			secret.Data, err = r.complete(s, nil, files)
		}
		return secret, err
	})
	switch {
	case err != nil:
		return nil, err
	case made:
		return secret, r.keepAuthorityKey(ctx, s, files.AuthorityKey)
	case !metav1.IsControlledBy(secret, s.channel):
		return nil, &foreignError{kind: "Secret", name: key.Name}
	}
	files = certificateFiles(secret.Data)
	authorityKey, needed, err := r.findAuthorityKey(ctx, s, secret)
	if err != nil {
		return nil, err
	}
	if needed {
		files.AuthorityKey = authorityKey
		if files, err = r.issue(s, files); err != nil {
			return nil, err
		}
		// The key is safe before anything shows that it signed.
		if err := r.keepAuthorityKey(ctx, s, files.AuthorityKey); err != nil {
			return nil, err
		}
	}
	changed := secret.DeepCopy()
	if changed.Data, err = r.complete(s, secret.Data, files); err != nil {
		return nil, err
	}
	return r.changeSecret(ctx, secret, changed)
}

// issue makes what of a certificate is missing or near its end.
func (r *Reconciler) issue(s *scope, files certificate.Files) (certificate.Files, error) {
	files, _, err := certificate.Renew(files, manifests.ReceiverHost(s.channel.Namespace, s.channel.Name), s.now)
	if err != nil {
		return files, fmt.Errorf("make the certificate of the receiver's private API: %w", err)
	}
	return files, nil
}

// complete returns the data of the private API's Secret with what it lacks, and notes when to look at it again.
func (r *Reconciler) complete(s *scope, data map[string][]byte, files certificate.Files) (map[string][]byte, error) {
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
	completed[manifests.CAKey] = files.Trusted
	completed[corev1.TLSCertKey], completed[corev1.TLSPrivateKeyKey] = files.Certificate, files.Key
	delete(completed, manifests.AuthorityKeyKey)
	if next, good := files.Good(manifests.ReceiverHost(s.channel.Namespace, s.channel.Name), s.now); good {
		s.wakeUpAt(next)
	}
	s.keepPrevious(completed)
	return completed, nil
}

// certificateFiles are the files of the certificate in the data of the private API's Secret.
func certificateFiles(data map[string][]byte) certificate.Files {
	return certificate.Files{Trusted: data[manifests.CAKey], Certificate: data[corev1.TLSCertKey], Key: data[corev1.TLSPrivateKeyKey]}
}
