package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// declaration is an apply configuration of an object of the channel.
type declaration interface {
	runtime.ApplyConfiguration
	GetKind() *string
	GetName() *string
	GetNamespace() *string
}

// foreignError says that an object has the name that the channel needs and does not belong to it.
type foreignError struct {
	kind string
	name string
}

func (e *foreignError) Error() string {
	return fmt.Sprintf("A %s named %q exists in the namespace and does not belong to this channel. Delete or rename it, or make the channel under another name.", e.kind, e.name)
}

// find reads an object of the channel: from the cache, and where it is not there live, because the cache holds only
// what carries the operator's label. It returns false where the object does not exist.
func (r *Reconciler) find(ctx context.Context, s *scope, name string, into client.Object) (bool, error) {
	key := client.ObjectKey{Namespace: s.channel.Namespace, Name: name}
	cached := r.cached(into)
	if cached == nil {
		return false, nil
	}
	err := cached.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		err = r.Live.Get(ctx, key, into)
	}
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// own brings an object that the channel controls to its declared state. current, an empty object of the kind, is
// filled with what is there.
func (r *Reconciler) own(ctx context.Context, s *scope, declared declaration, current client.Object) error {
	exists, err := r.find(ctx, s, *declared.GetName(), current)
	if err != nil {
		return err
	}
	if exists && !metav1.IsControlledBy(current, s.channel) {
		return &foreignError{kind: *declared.GetKind(), name: *declared.GetName()}
	}
	if !exists {
		current = nil
	}
	return r.apply(ctx, s, declared, current)
}

// apply applies a declaration unless current, the object as it is, already fulfils it. A nil current is an object that
// does not exist. Whether the object may be changed is the caller's to decide.
func (r *Reconciler) apply(ctx context.Context, s *scope, declared declaration, current client.Object) error {
	wanted, key, hash, err := encode(declared)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{Object: wanted}
	if current != nil {
		actual, err := runtime.DefaultUnstructuredConverter.ToUnstructured(current)
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		// Objects that were read live lack the kind, which was asked for.
		actual["apiVersion"], actual["kind"] = wanted["apiVersion"], wanted["kind"]
		// The remembered hash tells what the comparison cannot: that a field was taken out of the declaration.
		if s.memory.applied[key] == hash && contains(actual, wanted) {
			return nil
		}
		// The API server refuses the request if the object was replaced by another of its name.
		object.SetUID(current.GetUID())
	}
	err = r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(manifests.ManagedBy), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply %s: %w", key, err)
	}
	s.memory.applied[key] = hash
	return nil
}

// encode returns a declaration as it is sent, the name under which it is remembered, and its hash.
func encode(declared declaration) (wanted map[string]any, key, hash string, err error) {
	key = *declared.GetKind() + "/" + *declared.GetName()
	encoded, err := json.Marshal(declared)
	if err != nil {
		return nil, "", "", fmt.Errorf("write %s: %w", key, err)
	}
	if err := json.Unmarshal(encoded, &wanted); err != nil {
		return nil, "", "", fmt.Errorf("write %s: %w", key, err)
	}
	sum := sha256.Sum256(encoded)
	return wanted, key, hex.EncodeToString(sum[:]), nil
}

// remember notes a declaration that an object fulfils because it was just created so.
func (s *scope) remember(declared declaration) error {
	_, key, hash, err := encode(declared)
	if err == nil {
		s.memory.applied[key] = hash
	}
	return err
}

// remove deletes an object that the channel controls, if it is there.
func (r *Reconciler) remove(ctx context.Context, s *scope, name string, object client.Object) error {
	cached := r.cached(object)
	if cached == nil {
		return nil
	}
	err := cached.Get(ctx, client.ObjectKey{Namespace: s.channel.Namespace, Name: name}, object)
	if apierrors.IsNotFound(err) || (err == nil && !metav1.IsControlledBy(object, s.channel)) {
		return nil
	}
	if err != nil {
		return err
	}
	uid := object.GetUID()
	err = r.Client.Delete(ctx, object, client.Preconditions{UID: &uid})
	return client.IgnoreNotFound(err)
}

// refusal returns the finding for an error that only a person can help: an object that is not ours, or one that the
// API server does not accept. It returns nil for all other errors.
func refusal(err error, foreignReason, refusedReason string) *finding {
	var foreign *foreignError
	switch {
	case errors.As(err, &foreign):
		return fails(foreignReason, foreign.Error())
	case apierrors.HasStatusCause(err, namespaceTerminating):
		return nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		return fails(refusedReason, fmt.Sprintf("The API server refuses an object of the channel: %s.", err))
	}
	return nil
}
