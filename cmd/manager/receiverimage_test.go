package main

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/whatsapp-operator/whatsapp-operator/controllers"
)

func TestReceiversRunTheOperatorsOwnImageUnlessTold(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "operator-1"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "proxy", Image: "proxy:1"}, {Name: "manager", Image: "example.com/whatsapp-operator:1.2.3"},
		}},
	}
	live := fake.NewClientBuilder().WithScheme(controllers.NewScheme()).WithObjects(pod).Build()
	for name, tc := range map[string]struct {
		options          options
		image, complaint string
	}{
		"own":     {options: options{podNamespace: "system", podName: "operator-1"}, image: "example.com/whatsapp-operator:1.2.3"},
		"told":    {options: options{podNamespace: "system", podName: "operator-1", receiverImage: "other:1"}, image: "other:1"},
		"unknown": {options: options{podNamespace: "system", podName: "operator-2"}, complaint: "--receiver-image"},
	} {
		t.Run(name, func(t *testing.T) {
			image, err := receiverImage(t.Context(), live, tc.options)
			if image != tc.image {
				t.Errorf("image is %q, not %q", image, tc.image)
			}
			if tc.complaint == "" && err != nil || tc.complaint != "" && (err == nil || !strings.Contains(err.Error(), tc.complaint)) {
				t.Errorf("error is %v", err)
			}
		})
	}
}
