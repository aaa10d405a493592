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

// ready is the channel's condition Ready, which is unknown as long as it is about an older spec.
func (l *line) ready(ctx context.Context) (metav1.Condition, error) {
	var channel v1alpha1.WhatsAppChannel
	if err := cluster.Get(ctx, l.key, &channel); err != nil {
		return metav1.Condition{}, err
	}
	for _, condition := range channel.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady && condition.ObservedGeneration == channel.Generation {
			return condition, nil
		}
	}
	return metav1.Condition{Status: metav1.ConditionUnknown}, nil
}

func (l *line) expectReady(ctx context.Context) {
	GinkgoHelper()
	Eventually(l.ready).WithContext(ctx).Should(HaveField("Status", metav1.ConditionTrue))
}

// requests makes every request different from the one before.
var requests int

// request asks the operator to look at everything at once.
func (l *line) request(ctx context.Context) error {
	requests++
	_, err := cluster.Kubectl(ctx, "annotate", "--overwrite", "--namespace", l.key.Namespace, "wac", l.key.Name,
		fmt.Sprintf("%s=request-%d", v1alpha1.RequestedAtAnnotation, requests))
	return err
}

// pods are those of the channel's receiver that are not about to go.
func (l *line) pods(ctx context.Context) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := cluster.List(ctx, &list, client.InNamespace(l.key.Namespace), client.MatchingLabels{"app.kubernetes.io/instance": l.key.Name})
	var staying []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp.IsZero() {
			staying = append(staying, pod)
		}
	}
	return staying, err
}

// pod is the one pod of the channel's receiver.
func (l *line) pod(ctx context.Context) corev1.Pod {
	GinkgoHelper()
	pods, err := l.pods(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(pods).To(HaveLen(1), "the channel should have one receiver")
	return pods[0]
}

// kill ends the pod's processes at once, without a word.
func kill(ctx context.Context, namespace, pod string) {
	GinkgoHelper()
	kubectl(ctx, "delete", "pod", pod, "--namespace", namespace, "--grace-period=0", "--force", "--wait=false")
}
