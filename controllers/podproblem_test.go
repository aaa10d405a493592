package controllers

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

func TestPodProblem(t *testing.T) {
	channel := &v1alpha1.WhatsAppChannel{ObjectMeta: metav1.ObjectMeta{Name: "support", Namespace: "helpdesk"}}
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	pod := func(age time.Duration, status corev1.ContainerStatus) corev1.Pod {
		status.Name, status.Image = manifests.ContainerName, "example.com/receiver:1"
		return corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "support-receiver-7d9f-x2x", CreationTimestamp: metav1.NewTime(at.Add(-age))},
			Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "sidecar"}, status}},
		}
	}
	waiting := func(reason string) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: reason, Message: "back-off 5m0s restarting failed container=receiver pod=support-receiver-7d9f-x2x_helpdesk(0d6d)",
		}}}
	}
	ended := func(status corev1.ContainerStatus, reason string, code int32) corev1.ContainerStatus {
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}
		return status
	}
	between := func(code int32) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: code}}}
	}
	running := corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	unschedulable := corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		Message: "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
	}}}}
	terminating := pod(0, waiting("CrashLoopBackOff"))
	terminating.DeletionTimestamp = &metav1.Time{Time: at}

	for name, tc := range map[string]struct {
		pods   []corev1.Pod
		reason string
		says   string
	}{
		"no pod yet":                    {nil, "", ""},
		"a pod that starts":             {[]corev1.Pod{pod(0, corev1.ContainerStatus{})}, "", ""},
		"no node":                       {[]corev1.Pod{unschedulable}, v1alpha1.ReasonUnschedulable, "unbound immediate PersistentVolumeClaims"},
		"a crash loop":                  {[]corev1.Pod{pod(0, ended(waiting("CrashLoopBackOff"), "Error", 3))}, v1alpha1.ReasonCrashLooping, "exit code 3"},
		"too little memory":             {[]corev1.Pod{pod(0, ended(waiting("CrashLoopBackOff"), "OOMKilled", 137))}, v1alpha1.ReasonCrashLooping, "spec.receiver.resources"},
		"one crash":                     {[]corev1.Pod{pod(0, ended(corev1.ContainerStatus{}, "Error", 1))}, v1alpha1.ReasonStarting, "exit code 1"},
		"just ended":                    {[]corev1.Pod{pod(0, between(1))}, v1alpha1.ReasonStarting, "exit code 1"},
		"a full volume":                 {[]corev1.Pod{pod(0, ended(waiting("CrashLoopBackOff"), "Error", config.ExitVolumeFull))}, v1alpha1.ReasonVolumeFull, "raise spec.receiver.storage.sqlite.size"},
		"just ended for a full volume":  {[]corev1.Pod{pod(0, between(config.ExitVolumeFull))}, v1alpha1.ReasonVolumeFull, "its volume is full"},
		"starting on one that was full": {[]corev1.Pod{pod(0, ended(running, "Error", config.ExitVolumeFull))}, v1alpha1.ReasonVolumeFull, "its volume is full"},
		"a volume that fails":           {[]corev1.Pod{pod(0, ended(waiting("CrashLoopBackOff"), "Error", config.ExitVolumeFailed))}, v1alpha1.ReasonVolumeFailing, `PersistentVolumeClaim "support-data"`},
		"a damaged database":            {[]corev1.Pod{pod(0, ended(waiting("CrashLoopBackOff"), "Error", config.ExitDataDamaged))}, v1alpha1.ReasonDataDamaged, `PersistentVolumeClaim "support-data"`},
		"an image that went":            {[]corev1.Pod{pod(0, ended(waiting("ImagePullBackOff"), "Error", config.ExitVolumeFull))}, v1alpha1.ReasonImageNotPulled, "example.com/receiver:1"},
		"one that is not ready":         {[]corev1.Pod{pod(0, running)}, v1alpha1.ReasonStarting, "database does not answer, or its database can be read and not written"},
		"no image":                      {[]corev1.Pod{pod(0, waiting("ImagePullBackOff"))}, v1alpha1.ReasonImageNotPulled, "example.com/receiver:1"},
		"a mount":                       {[]corev1.Pod{pod(0, waiting("ContainerCreating"))}, v1alpha1.ReasonMountFailing, "cannot be mounted"},
		"the newest counts":             {[]corev1.Pod{pod(time.Hour, waiting("ImagePullBackOff")), pod(0, waiting("CrashLoopBackOff"))}, v1alpha1.ReasonCrashLooping, ""},
		"one that ends anyway":          {[]corev1.Pod{terminating}, "", ""},
		"the end of an old one":         {[]corev1.Pod{terminating, pod(time.Hour, waiting("ImagePullBackOff"))}, v1alpha1.ReasonImageNotPulled, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := podProblem(channel, tc.pods)
			if tc.reason == "" {
				if got != nil {
					t.Errorf("it says %s: %s", got.reason, got.message)
				}
				return
			}
			if got == nil || got.reason != tc.reason || !strings.Contains(got.message, tc.says) {
				t.Fatalf("it says %+v", got)
			}
			if strings.Contains(got.message, "7d9f") || strings.Contains(got.message, "5m0s") {
				t.Errorf("the message changes with every attempt: %s", got.message)
			}
		})
	}
}
