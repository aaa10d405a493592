package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

func TestChannelMetrics(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	channel := &v1alpha1.WhatsAppChannel{
		ObjectMeta: metav1.ObjectMeta{Name: "support", Namespace: "helpdesk"},
		Status: v1alpha1.WhatsAppChannelStatus{
			PhoneNumber: &v1alpha1.PhoneNumberStatus{ID: "106540352242922", DisplayPhoneNumber: "+1 555-0100"},
			Receiver:    &v1alpha1.ReceiverStatus{ReadyReplicas: new(int32(2))},
			AccessToken: &v1alpha1.AccessTokenStatus{ExpiresAt: &metav1.Time{Time: time.Unix(1800000000, 0)}},
			Conditions: []metav1.Condition{
				{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue},
				{Type: v1alpha1.ConditionCredentialsValid, Status: metav1.ConditionFalse},
				{Type: v1alpha1.ConditionCallbackReachable, Status: metav1.ConditionUnknown},
			},
		},
	}
	fresh := &v1alpha1.WhatsAppChannel{ObjectMeta: metav1.ObjectMeta{Name: "fresh", Namespace: "helpdesk"}}
	collector := NewChannelCollector(fake.NewClientBuilder().WithScheme(scheme).WithObjects(channel, fresh).Build())
	const want = `
# HELP whatsapp_channel_access_token_expiry_timestamp_seconds When a channel's access token ends. Absent for tokens that do not.
# TYPE whatsapp_channel_access_token_expiry_timestamp_seconds gauge
whatsapp_channel_access_token_expiry_timestamp_seconds{name="support",namespace="helpdesk"} 1.8e+09
# HELP whatsapp_channel_condition Conditions of channels: 1 is True, 0 is False, -1 is Unknown.
# TYPE whatsapp_channel_condition gauge
whatsapp_channel_condition{name="support",namespace="helpdesk",type="CallbackReachable"} -1
whatsapp_channel_condition{name="support",namespace="helpdesk",type="CredentialsValid"} 0
whatsapp_channel_condition{name="support",namespace="helpdesk",type="Ready"} 1
# HELP whatsapp_channel_ready_receivers Receivers of a channel that take webhooks.
# TYPE whatsapp_channel_ready_receivers gauge
whatsapp_channel_ready_receivers{name="fresh",namespace="helpdesk"} 0
whatsapp_channel_ready_receivers{name="support",namespace="helpdesk"} 2
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
