package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// The names are the operator's.
func TestNames(t *testing.T) {
	channel := &v1alpha1.WhatsAppChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "helpdesk", Name: "support"}}
	if got, want := apiSecret("support"), manifests.APIName("support"); got != want {
		t.Errorf("the Secret of the private API is %s, want %s", got, want)
	}
	if got, want := serviceHost(channel), manifests.ReceiverName("support")+".helpdesk.svc"; got != want {
		t.Errorf("the receiver is reached as %s, want %s", got, want)
	}
	if caKey != manifests.CAKey {
		t.Errorf("the authority is at the key %s, want %s", caKey, manifests.CAKey)
	}
	if diff := cmp.Diff(manifests.PodLabels("support"), podLabels("support")); diff != "" {
		t.Errorf("the labels of pods (-want +got):\n%s", diff)
	}
}
