package controllers

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/randfill"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

func TestTheCacheKeepsAllThatTheOperatorLooksAt(t *testing.T) {
	transform := compact()
	fill := randfill.NewWithSeed(1).NilChance(0.2).NumElements(1, 4)
	for range 20 {
		for _, object := range []client.Object{
			&appsv1.Deployment{}, &corev1.Service{}, &corev1.ConfigMap{}, &corev1.PersistentVolumeClaim{}, &v1alpha1.WhatsAppChannel{}, &metav1.PartialObjectMetadata{},
		} {
			fill.Fill(object)
			annotations := object.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[corev1.LastAppliedConfigAnnotation] = `{"data":{"access-token":"c2VjcmV0"}}`
			object.SetAnnotations(annotations)
			object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubectl"}})
			want := object.DeepCopyObject().(client.Object)
			delete(want.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
			want.SetManagedFields(nil)
			got, err := transform(object)
			if err != nil {
				t.Fatal(err)
			}
			if !equality.Semantic.DeepEqual(got, want) {
				t.Fatalf("%T changed:\n%+v\nbecame\n%+v", object, want, got)
			}
		}
	}
}

// What a time leads to, such as the time zone, belongs to the whole process. The race detector says if it is looked at.
func TestTheCacheLeavesAloneWhatIsNotItsOwn(t *testing.T) {
	type zone struct{ transitions []string }
	type timestamp struct{ zone *zone }
	local := &zone{}
	object := &struct{ Created timestamp }{timestamp{local}}
	shared := make(chan struct{})
	go func() {
		defer close(shared)
		(&sharing{}).share(object)
	}()
	local.transitions = []string{"CET"}
	<-shared
	if !slices.Equal(object.Created.zone.transitions, []string{"CET"}) {
		t.Errorf("became %+v", object.Created.zone)
	}
}

func TestWhatIsInTheCacheSharesItsTexts(t *testing.T) {
	transform := compact()
	cached := func(name string) *v1alpha1.WhatsAppChannel {
		channel := &v1alpha1.WhatsAppChannel{}
		const text = `{"metadata": {"name": %q, "labels": {"app.kubernetes.io/name": "whatsapp-receiver"}},
			"status": {"conditions": [{"type": "Ready", "message": "Customers' messages arrive, and replies go out."}]}}`
		if err := json.Unmarshal(fmt.Appendf(nil, text, name), channel); err != nil {
			t.Fatal(err)
		}
		if _, err := transform(channel); err != nil {
			t.Fatal(err)
		}
		return channel
	}
	texts := func(channel *v1alpha1.WhatsAppChannel) (all []*byte) {
		for key, value := range channel.Labels {
			all = append(all, unsafe.StringData(key), unsafe.StringData(value))
		}
		condition := channel.Status.Conditions[0]
		return append(all, unsafe.StringData(condition.Type), unsafe.StringData(condition.Message))
	}
	claim := func() uintptr {
		volume := &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}}
		if _, err := transform(volume); err != nil {
			t.Fatal(err)
		}
		return reflect.ValueOf(volume.Spec.Resources.Requests).Pointer()
	}
	if first, second := claim(), claim(); first != second {
		t.Error("the same amounts are in memory twice")
	}
	first := texts(cached("a"))
	for n, text := range texts(cached("b")) {
		if text != first[n] {
			t.Errorf("text %d is in memory twice", n)
		}
	}
	for n := range 2 * maxShared {
		if name := fmt.Sprint(n); cached(name).Name != name {
			t.Fatalf("channel %s has another name", name)
		}
	}
}
