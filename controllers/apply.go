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

// errHidden says that an object exists although the cache does not show it: somebody else made it, took the operator's
// label from it, or it was made a moment ago.
var errHidden = errors.New("an object exists that the cache does not show")

// noVersion is a resourceVersion that no object has, because a store's first write is its second revision. An apply that
// names it makes an object, and is refused where there is one.
const noVersion = "1"

// find reads an object of the channel from the cache, and returns false where it is not there. The cache holds only what
// carries the operator's label, so what is known to exist all the same is read live, and so is everything where the cache is
// not believed. An object that nobody knows of is left to make to find.
func (r *Reconciler) find(ctx context.Context, s *scope, name string, into client.Object) (bool, error) {
	cached := r.cached(into)
	if cached == nil {
		return false, nil
	}
	key := client.ObjectKey{Namespace: s.channel.Namespace, Name: name}
	if !s.pastCache {
		if err := cached.Get(ctx, key, into); !apierrors.IsNotFound(err) {
			s.memory.settle(into, name)
			return err == nil, err
		}
		if !s.memory.existsUnseen(into, name) {
			return false, nil
		}
	}
	err := r.Live.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		s.memory.settle(into, name)
		return false, nil
	}
	return err == nil, err
}

// findOrMake makes an object where there is none, and reports whether there was one. current, an empty object of the kind,
// is then filled with it.
func (r *Reconciler) findOrMake(ctx context.Context, s *scope, declared declaration, current client.Object) (existed bool, err error) {
	existed, err = r.find(ctx, s, *declared.GetName(), current)
	if existed || err != nil {
		return existed, err
	}
	if err = r.make(ctx, s, declared, current); !errors.Is(err, errHidden) {
		return false, err
	}
	existed, err = r.find(ctx, s, *declared.GetName(), current)
	if !existed && err == nil {
		err = errHidden // It is gone again. Another reconciliation makes it.
	}
	return existed, err
}

// make makes an object that the cache does not show. Where there is one, it is left as it is, and errHidden is returned.
// Only the kind of the given object counts.
func (r *Reconciler) make(ctx context.Context, s *scope, declared declaration, kind client.Object) error {
	object, key, err := sealed(declared)
	if err != nil {
		return err
	}
	object.SetResourceVersion(noVersion)
	err = r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(manifests.ManagedBy), client.ForceOwnership)
	hidden := apierrors.IsConflict(err) && !denied(err)
	if err == nil || hidden {
		s.memory.exists(kind, *declared.GetName())
	}
	if hidden {
		return errHidden
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", key, err)
	}
	return nil
}

// own brings an object that the channel controls to its declared state. current, an empty object of the kind, is
// filled with what is there.
func (r *Reconciler) own(ctx context.Context, s *scope, declared declaration, current client.Object) error {
	existed, err := r.findOrMake(ctx, s, declared, current)
	if err != nil || !existed {
		return err
	}
	if !metav1.IsControlledBy(current, s.channel) {
		return &foreignError{kind: *declared.GetKind(), name: *declared.GetName()}
	}
	return r.apply(ctx, declared, current)
}

// apply applies a declaration unless current, the object as it is, already fulfils it. Whether the object may be changed
// is the caller's to decide.
func (r *Reconciler) apply(ctx context.Context, declared declaration, current client.Object) error {
	wanted, key, err := sealed(declared)
	if err != nil {
		return err
	}
	return r.applyLacking(ctx, key, wanted, current)
}

// supplement is apply for declarations that never lose a field. An object that has everything fulfils such a declaration,
// whoever made it so.
func (r *Reconciler) supplement(ctx context.Context, declared declaration, current client.Object) error {
	wanted, key, _, err := encode(declared)
	if err != nil {
		return err
	}
	return r.applyLacking(ctx, key, wanted, current)
}

// applyLacking applies an object, named by key, unless current has everything that it has.
func (r *Reconciler) applyLacking(ctx context.Context, key string, wanted *unstructured.Unstructured, current client.Object) error {
	actual, err := runtime.DefaultUnstructuredConverter.ToUnstructured(current)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	// Objects that were read live lack the kind, which was asked for.
	actual["apiVersion"], actual["kind"] = wanted.Object["apiVersion"], wanted.Object["kind"]
	if contains(actual, wanted.Object) {
		return nil
	}
	// The API server refuses the request if the object was replaced by another of its name.
	wanted.SetUID(current.GetUID())
	err = r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner(manifests.ManagedBy), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply %s: %w", key, err)
	}
	return nil
}

// encode returns a declaration as it is sent, its name for errors, and its JSON.
func encode(declared declaration) (wanted *unstructured.Unstructured, key string, encoded []byte, err error) {
	key = *declared.GetKind() + "/" + *declared.GetName()
	wanted = &unstructured.Unstructured{}
	if encoded, err = json.Marshal(declared); err == nil {
		err = json.Unmarshal(encoded, &wanted.Object)
	}
	if err != nil {
		return nil, "", nil, fmt.Errorf("write %s: %w", key, err)
	}
	return wanted, key, encoded, nil
}

// sealed is encode with a hash of the declaration written into it. An object that carries it was applied last by that very
// declaration, whichever operator did it: this tells what a comparison cannot, that a field was taken out of the declaration.
func sealed(declared declaration) (wanted *unstructured.Unstructured, key string, err error) {
	wanted, key, encoded, err := encode(declared)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(encoded)
	if err := unstructured.SetNestedField(wanted.Object, hex.EncodeToString(sum[:16]), "metadata", "labels", manifests.DeclarationLabel); err != nil {
		return nil, "", fmt.Errorf("write %s: %w", key, err)
	}
	return wanted, key, nil
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
