package controllers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// sharedSecret is a Secret that several channels read at once. A read of it is answered only when all of them want it.
type sharedSecret struct {
	key    types.NamespacedName
	reader *secretReader
	// wanted has an entry for each time that somebody looks whether the Secret has changed.
	wanted chan struct{}
	// reading is closed when the first read of it arrives.
	reading chan struct{}
	reads   atomic.Int64
}

func newSharedSecret(t *testing.T, readers int) *sharedSecret {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "helpdesk", Name: "whatsapp", Labels: map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel},
		},
		Data: map[string][]byte{"access-token": []byte("token")},
	}
	cluster := fake.NewClientBuilder().WithScheme(NewScheme()).WithObjects(secret).Build()
	s := &sharedSecret{key: client.ObjectKeyFromObject(secret), wanted: make(chan struct{}, readers), reading: make(chan struct{})}
	get := func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		if _, metadata := object.(*metav1.PartialObjectMetadata); metadata {
			s.wanted <- struct{}{}
			return c.Get(ctx, key, object, options...)
		}
		if s.reads.Add(1) > 1 {
			return errors.New("it was read again")
		}
		close(s.reading)
		for range readers {
			select {
			case <-s.wanted:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return c.Get(ctx, key, object, options...)
	}
	intercepted := interceptor.NewClient(cluster, interceptor.Funcs{Get: get})
	s.reader = &secretReader{metadata: intercepted, live: intercepted}
	return s
}

func TestASecretThatManyChannelsShareIsReadOnce(t *testing.T) {
	const channels = 16
	shared := newSharedSecret(t, channels)
	var running sync.WaitGroup
	for range channels {
		running.Go(func() {
			secret, err := shared.reader.get(t.Context(), shared.key)
			if err != nil || string(secret.Data["access-token"]) != "token" {
				t.Errorf("a channel got %v and %v", secret, err)
			}
		})
	}
	running.Wait()
	if reads := shared.reads.Load(); reads != 1 {
		t.Errorf("it was read %d times", reads)
	}
}

func TestAChannelThatGivesUpDoesNotEndTheReadOfOthers(t *testing.T) {
	shared := newSharedSecret(t, 2)
	impatient, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := shared.reader.get(impatient, shared.key)
		gaveUp <- err
	}()
	<-shared.reading
	giveUp()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("the channel that gave up got %v", err)
	}
	secret, err := shared.reader.get(t.Context(), shared.key)
	if err != nil || string(secret.Data["access-token"]) != "token" {
		t.Errorf("the other channel got %v and %v", secret, err)
	}
	if reads := shared.reads.Load(); reads != 1 {
		t.Errorf("it was read %d times", reads)
	}
}
