package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// What is not the operator's it does not watch, so nothing tells that a person deleted or renamed it.
func TestForeignObjectsAreLookedAtAgainWithinAMinute(t *testing.T) {
	const name = "channel-000"
	for _, foreign := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: manifests.APIName(name)}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: manifests.AuthorityName(name)}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: manifests.VerifyTokenName(name)}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: manifests.DataName(name)}},
	} {
		t.Run(foreign.GetName(), func(t *testing.T) {
			world := newSimulation(t, 1)
			world.everyWakeUp = true
			foreign.SetNamespace(simulatedNamespace)
			world.create(foreign)
			world.countHour()
			// Meta has just been asked, so that is not what the channel is looked at for next.
			world.clock.Step(refreshInterval / 10)
			world.reconcile(name)
			if receiver := condition(world.channel(name), v1alpha1.ConditionReceiverAvailable); receiver.Reason != v1alpha1.ReasonNameTaken {
				t.Fatalf("ReceiverAvailable is %s: %s", receiver.Reason, receiver.Message)
			}

			if err := world.cluster.Delete(t.Context(), foreign); err != nil {
				t.Fatal(err)
			}
			if wait := world.due[name].Sub(world.clock.Now()); wait > refusedInterval {
				t.Errorf("it is looked at in %s", wait)
			}
			world.countHour()
			if ready := condition(world.channel(name), v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
				t.Errorf("Ready is %s: %s", ready.Reason, ready.Message)
			}
		})
	}
}
