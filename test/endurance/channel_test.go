//go:build reliability

package endurance

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
)

const (
	appID, appSecret = "670843887433847", "9d2f4b6a8c0e1f3a5b7d9c1e3f5a7b9d"
	token            = "EAAendurance1a2b3c4d5e6f708192a3b4c5d6e7f8091a"
	accountID        = "102290129340398"
	welcome          = "Thanks for writing. An agent will answer soon."
)

// world is what exists at Meta. Each channel has the number at its own place.
var world = stage.Seed{
	Apps:             []stage.App{{ID: appID, Name: "Endurance", Secret: appSecret}},
	BusinessAccounts: []stage.BusinessAccount{{ID: accountID, Name: "Endurance"}},
	PhoneNumbers: []stage.PhoneNumber{
		{ID: "106540352242921", BusinessAccountID: accountID, DisplayPhoneNumber: "+1 631-555-4441", VerifiedName: "Orders"},
		{ID: "106540352242922", BusinessAccountID: accountID, DisplayPhoneNumber: "+1 631-555-4442", VerifiedName: "Small"},
		{ID: "106540352242923", BusinessAccountID: accountID, DisplayPhoneNumber: "+1 631-555-4443", VerifiedName: "Shared"},
	},
	Tokens: []stage.Token{{Value: token, AppID: appID}},
}

// line is a channel under test.
type line struct {
	key    client.ObjectKey
	number stage.PhoneNumber
	inbox  *stage.Inbox
}

// open makes a channel for a number of the world, and waits until it is ready.
func open(ctx context.Context, key client.ObjectKey, number int, storage v1alpha1.Storage) *line {
	GinkgoHelper()
	l := &line{key: key, number: world.PhoneNumbers[number], inbox: cluster.Inbox(key.Namespace, key.Name)}
	hostname := fmt.Sprintf("%s-callback.%s.svc.cluster.local", key.Name, key.Namespace)
	Expect(cluster.ChannelSecret(ctx, key.Namespace, "whatsapp", map[string]string{"access-token": token, "app-secret": appSecret})).To(Succeed())
	Expect(cluster.TLSSecret(ctx, authority, key.Namespace, key.Name+"-tls", hostname)).To(Succeed())
	Expect(cluster.Create(ctx, &v1alpha1.WhatsAppChannel{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Spec: v1alpha1.WhatsAppChannelSpec{
			BusinessAccountID:    accountID,
			AccessTokenSecretRef: v1alpha1.SecretKeyReference{Name: "whatsapp", Key: "access-token"},
			AppSecretSecretRef:   v1alpha1.SecretKeyReference{Name: "whatsapp", Key: "app-secret"},
			PhoneNumber:          l.number.DisplayPhoneNumber,
			Messages:             v1alpha1.Messages{Welcome: &v1alpha1.MessageText{Text: welcome}},
			TargetGroup:          "2nd Level",
			Callback: v1alpha1.Callback{
				Registration: v1alpha1.RegistrationAutomatic, AppSubscription: v1alpha1.AppSubscriptionCreateIfAbsent, Hostname: hostname,
				Exposure: v1alpha1.Exposure{Service: &v1alpha1.ServiceExposure{Type: corev1.ServiceTypeClusterIP, TLSSecretName: key.Name + "-tls"}},
			},
			Receiver: v1alpha1.Receiver{Storage: storage},
		},
	})).To(Succeed())
	l.expectReady(ctx)
	return l
}

// ready is the channel's condition Ready.
func (l *line) ready(ctx context.Context) (metav1.Condition, error) {
	return cluster.Condition(ctx, l.key, v1alpha1.ConditionReady)
}

func (l *line) expectReady(ctx context.Context) {
	GinkgoHelper()
	Eventually(l.ready).WithContext(ctx).Should(HaveField("Status", metav1.ConditionTrue))
}

// taken says whether another pod than one before takes webhooks.
func (l *line) taken(ctx context.Context, before corev1.Pod) (bool, error) {
	return cluster.TakenOver(ctx, l.key, before.UID)
}

// pod is the one pod of the channel's receiver.
func (l *line) pod(ctx context.Context) corev1.Pod {
	GinkgoHelper()
	pods, err := cluster.Receivers(ctx, l.key)
	Expect(err).NotTo(HaveOccurred())
	Expect(pods).To(HaveLen(1), "the channel should have one receiver")
	return pods[0]
}

// kill ends the pod's processes at once, without a word.
func kill(ctx context.Context, namespace, pod string) {
	GinkgoHelper()
	kubectl(ctx, "delete", "pod", pod, "--namespace", namespace, "--grace-period=0", "--force", "--wait=false")
}
