package controllers

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// mutableReceiver is a receiver that something may keep from the operator.
type mutableReceiver struct {
	silent bool
	asked  int
}

func (m *mutableReceiver) ReceiverStatus(context.Context, string, string, PrivateAPI) (config.Status, error) {
	m.asked++
	if m.silent {
		return config.Status{}, errors.New("no route to host")
	}
	return config.Status{Durable: new(true), DurableReason: "SQLite syncs."}, nil
}

const silentChannel = "channel-000"

// newSilentSimulation is a simulation of one channel with a receiver of that kind, in which an hour has passed.
func newSilentSimulation(t *testing.T, receiver *mutableReceiver, helpdesk v1alpha1.Helpdesk) *simulation {
	t.Helper()
	world := newSimulation(t, 1)
	world.reconciler.ReceiverStatus, world.everyWakeUp = receiver, true
	world.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "zammad", Namespace: simulatedNamespace, Labels: map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel}},
		Data:       map[string][]byte{"token": []byte("the-token")},
	})
	channel := world.channel(silentChannel)
	channel.Spec.Helpdesk = helpdesk
	if err := world.cluster.Update(t.Context(), channel); err != nil {
		t.Fatal(err)
	}
	world.countHour()
	return world
}

// look lets some time pass, and the operator look at the channel.
func (s *simulation) look(after time.Duration) *v1alpha1.WhatsAppChannel {
	s.t.Helper()
	s.clock.Step(after)
	s.reconcile(silentChannel)
	return s.channel(silentChannel)
}

func expectCondition(t *testing.T, channel *v1alpha1.WhatsAppChannel, conditionType string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	if c := condition(channel, conditionType); c.Status != status || c.Reason != reason {
		t.Errorf("%s is %s, %s: %s", conditionType, c.Status, c.Reason, c.Message)
	}
}

func TestAReceiverThatTheOperatorCannotReachIsToldOf(t *testing.T) {
	receiver := &mutableReceiver{}
	world := newSilentSimulation(t, receiver, v1alpha1.Helpdesk{})
	expectCondition(t, world.channel(silentChannel), v1alpha1.ConditionDurable, metav1.ConditionTrue, v1alpha1.ReasonDurable)

	// One that merely restarts is not spoken of.
	receiver.silent = true
	for range silentAfter - 1 {
		expectCondition(t, world.look(mirrorInterval), v1alpha1.ConditionDurable, metav1.ConditionTrue, v1alpha1.ReasonDurable)
	}
	receiver.silent = false
	world.look(mirrorInterval)
	receiver.silent = true
	for range silentAfter - 1 {
		expectCondition(t, world.look(mirrorInterval), v1alpha1.ConditionDurable, metav1.ConditionTrue, v1alpha1.ReasonDurable)
	}

	told := world.look(mirrorInterval)
	expectCondition(t, told, v1alpha1.ConditionDurable, metav1.ConditionUnknown, v1alpha1.ReasonReceiverSilent)
	expectCondition(t, told, v1alpha1.ConditionHelpdeskReady, metav1.ConditionTrue, v1alpha1.ReasonBuiltIn)
	expectCondition(t, told, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if message := condition(told, v1alpha1.ConditionDurable).Message; !strings.Contains(message, "channel-000-receiver.helpdesk.svc:8081") {
		t.Errorf("Durable says %q", message)
	}

	receiver.asked = 0
	world.countHour()
	if receiver.asked > 20 {
		t.Errorf("a silent receiver was asked %d times in an hour", receiver.asked)
	}
	if later := world.channel(silentChannel); !reflect.DeepEqual(later.Status.Conditions, told.Status.Conditions) {
		t.Errorf("the conditions changed from %+v to %+v", told.Status.Conditions, later.Status.Conditions)
	}

	receiver.silent = false
	expectCondition(t, world.look(mirrorInterval), v1alpha1.ConditionDurable, metav1.ConditionTrue, v1alpha1.ReasonDurable)
}

func TestAHelpdeskThatNobodyToldOfIsNotCalledReady(t *testing.T) {
	receiver := &mutableReceiver{silent: true}
	world := newSilentSimulation(t, receiver, v1alpha1.Helpdesk{Zammad: &v1alpha1.ZammadHelpdesk{
		URL: "https://zammad.example.com", TokenSecretRef: v1alpha1.SecretKeyReference{Name: "zammad", Key: "token"},
	}})
	channel := world.channel(silentChannel)
	expectCondition(t, channel, v1alpha1.ConditionHelpdeskReady, metav1.ConditionUnknown, v1alpha1.ReasonReceiverSilent)
	expectCondition(t, channel, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonReceiverSilent)

	receiver.silent = false
	expectCondition(t, world.look(mirrorInterval), v1alpha1.ConditionHelpdeskReady, metav1.ConditionUnknown, v1alpha1.ReasonPending)

	// Once it told, its silence is no reason to call the channel anything else than before.
	channel = world.channel(silentChannel)
	for i := range channel.Status.Conditions {
		if c := &channel.Status.Conditions[i]; c.Type == v1alpha1.ConditionHelpdeskReady {
			c.Status, c.Reason = metav1.ConditionTrue, "Ready"
		}
	}
	if err := world.cluster.Status().Update(t.Context(), channel); err != nil {
		t.Fatal(err)
	}
	receiver.silent = true
	for range silentAfter {
		channel = world.look(mirrorInterval)
	}
	expectCondition(t, channel, v1alpha1.ConditionHelpdeskReady, metav1.ConditionUnknown, v1alpha1.ReasonReceiverSilent)
	expectCondition(t, channel, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}
