package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// secretTimeout bounds the read of a Secret, which several channels may wait for.
const secretTimeout = 30 * time.Second

// maxSecretValue bounds what is read from a key. Tokens have a few hundred bytes; a Secret may have a megabyte.
const maxSecretValue = 8 << 10

// secretValue is one value of a Secret with what tells versions of the Secret apart.
type secretValue struct {
	value cloudapi.Token
	// version changes whenever the Secret changes. It holds nothing secret.
	version string
}

func (v secretValue) known() bool { return v.value != "" }

// secretReader reads Secrets live, one by one, and keeps those whose metadata the cache watches until they change.
// A typed Secret never goes through the cache: that would start an informer that holds every Secret of the cluster.
type secretReader struct {
	// metadata is the cache; it holds the metadata of labelled Secrets only.
	metadata client.Reader
	live     client.Reader

	// reads are those that are under way of Secrets that the cache shows, by name and version.
	reads singleflight.Group

	mu   sync.Mutex
	kept map[types.NamespacedName]keptSecret
}

// keptSecret is what the cache does not have of a version of a Secret.
type keptSecret struct {
	uid     types.UID
	version string
	data    map[string][]byte
}

// get returns a Secret with its small values, or a NotFound error.
func (r *secretReader) get(ctx context.Context, key types.NamespacedName) (*corev1.Secret, error) {
	watched, err := r.watched(ctx, key)
	if err != nil {
		return nil, err
	}
	if watched == nil {
		return r.read(ctx, key)
	}
	if kept := r.current(key, watched); kept != nil {
		return kept, nil
	}
	// Whoever needs this version while another reads it waits for that. A caller that gives up does not end it for the others.
	reading := r.reads.DoChan(key.String()+"/"+watched.ResourceVersion, func() (any, error) {
		if kept := r.current(key, watched); kept != nil {
			return kept, nil
		}
		return r.read(context.WithoutCancel(ctx), key)
	})
	select {
	case shared := <-reading:
		secret, _ := shared.Val.(*corev1.Secret)
		return secret, shared.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// current returns what is kept of a Secret, or nil where the cache shows another version of it.
func (r *secretReader) current(key types.NamespacedName, watched *metav1.PartialObjectMetadata) *corev1.Secret {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, ok := r.kept[key]
	if !ok || kept.uid != watched.UID || kept.version != watched.ResourceVersion {
		return nil
	}
	return &corev1.Secret{ObjectMeta: watched.ObjectMeta, Data: kept.data}
}

// read reads a Secret live, and keeps it.
func (r *secretReader) read(ctx context.Context, key types.NamespacedName) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	secret := &corev1.Secret{}
	if err := r.live.Get(ctx, key, secret); err != nil {
		r.forget(key)
		return nil, err
	}
	for name, value := range secret.Data {
		if len(value) > maxSecretValue {
			secret.Data[name] = nil
		}
	}
	r.keep(key, secret)
	return secret, nil
}

// shown reports whether there is anything to say that a Secret exists: the cache shows it, or it was read or written before.
func (r *secretReader) shown(ctx context.Context, key types.NamespacedName) (bool, error) {
	r.mu.Lock()
	_, kept := r.kept[key]
	r.mu.Unlock()
	if kept {
		return true, nil
	}
	watched, err := r.watched(ctx, key)
	return watched != nil, err
}

// watched returns the metadata of a Secret as the cache has it, or nil where the cache does not show it.
func (r *secretReader) watched(ctx context.Context, key types.NamespacedName) (*metav1.PartialObjectMetadata, error) {
	watched := &metav1.PartialObjectMetadata{}
	watched.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.metadata.Get(ctx, key, watched)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return watched, err
}

func (r *secretReader) keep(key types.NamespacedName, secret *corev1.Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[types.NamespacedName]keptSecret{}
	}
	r.kept[key] = keptSecret{uid: secret.UID, version: secret.ResourceVersion, data: secret.Data}
}

func (r *secretReader) forget(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.kept, key)
}

// resolve reads the value that a field of the spec names. Where a person has to help, the finding says how.
func (r *Reconciler) resolve(ctx context.Context, namespace string, ref v1alpha1.SecretKeyReference, field string) (secretValue, *finding, error) {
	secret, err := r.secrets.get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name})
	if apierrors.IsNotFound(err) {
		return secretValue{}, fails(v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"Secret %q, which spec.%s names, does not exist in this namespace. Create it with the key %q and the label %s=%s.",
			ref.Name, field, ref.Key, v1alpha1.SecretUseLabel, v1alpha1.SecretUseChannel)), nil
	}
	if err != nil {
		return secretValue{}, nil, fmt.Errorf("read Secret %s: %w", ref.Name, err)
	}
	if secret.Labels[v1alpha1.SecretUseLabel] != v1alpha1.SecretUseChannel {
		return secretValue{}, fails(v1alpha1.ReasonSecretNotLabelled, fmt.Sprintf(
			"Secret %q, which spec.%s names, lacks the label %s=%s that lets the operator read it. Run: kubectl label secret %s --namespace %s %s=%s",
			ref.Name, field, v1alpha1.SecretUseLabel, v1alpha1.SecretUseChannel,
			ref.Name, namespace, v1alpha1.SecretUseLabel, v1alpha1.SecretUseChannel)), nil
	}
	value, missing := valueOf(secret, ref, field)
	return value, missing, nil
}

// valueOf reads a value of a Secret that the operator may read.
func valueOf(secret *corev1.Secret, ref v1alpha1.SecretKeyReference, field string) (secretValue, *finding) {
	value, ok := secret.Data[ref.Key]
	if !ok {
		return secretValue{}, fails(v1alpha1.ReasonSecretKeyMissing, fmt.Sprintf(
			"Secret %q has no key %q, which spec.%s names; it has %s.", ref.Name, ref.Key, field, keysOf(secret)))
	}
	// A line break at the end is the commonest mistake in Secrets, and no token has white space.
	trimmed := strings.TrimSpace(string(value))
	if trimmed == "" {
		return secretValue{}, fails(v1alpha1.ReasonSecretValueEmpty, fmt.Sprintf(
			"Key %q of Secret %q, which spec.%s names, is empty or far too long.", ref.Key, ref.Name, field))
	}
	return secretValue{
		value:   cloudapi.Token(trimmed),
		version: string(secret.UID) + "/" + secret.ResourceVersion + "/" + ref.Key,
	}, nil
}

// keysOf lists a Secret's keys for a message.
func keysOf(secret *corev1.Secret) string {
	const shown = 10
	var keys []string
	for key := range secret.Data {
		keys = append(keys, fmt.Sprintf("%q", key))
	}
	slices.Sort(keys)
	switch {
	case len(keys) == 0:
		return "no keys"
	case len(keys) > shown:
		return fmt.Sprintf("%s and %d more", strings.Join(keys[:shown], ", "), len(keys)-shown)
	}
	return strings.Join(keys, ", ")
}

// credentialSecrets resolves the access token and the app secret. It asks Meta nothing.
func (r *Reconciler) credentialSecrets(ctx context.Context, s *scope) error {
	spec := s.channel.Spec
	token, missing, err := r.resolve(ctx, s.channel.Namespace, spec.AccessTokenSecretRef, "accessTokenSecretRef")
	if err != nil {
		return err
	}
	var secret secretValue
	if missing == nil {
		if secret, missing, err = r.resolve(ctx, s.channel.Namespace, spec.AppSecretSecretRef, "appSecretSecretRef"); err != nil {
			return err
		}
	}
	if missing != nil {
		s.credentialsMissing = missing
		s.blockReceiver(fails(v1alpha1.ReasonWaitingForSecrets, "The receiver cannot start without the access token and the app secret: see CredentialsValid."))
		s.wakeUpIn(unwatchedSecretInterval)
		return nil
	}
	s.accessToken, s.appSecret = token, secret
	return nil
}
