//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
)

// The two apps: one whose channels register themselves, and one whose admin does.
const (
	automaticApp    = "670843887433847"
	automaticSecret = "0f5c0e2ea1d34b0d9c3f5d1c7a8e4f21"
	automaticToken  = "EAAautomatic7c1f0a2b4d6e8f90aabbccddeeff0011"
	renewedSecret   = "1e9b7d3c5a80462f8d6e4c2b0a917f53"
	renewedToken    = "EAArenewed0d1c2b3a4958677685940a1b2c3d4e5f6"
	manualApp       = "670843887433848"
	manualSecret    = "c4d2f8a09b7e4613a5d0e9f1b8c7263a"
	manualToken     = "EAAmanual9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f"
	manualAccount   = "102290129340399"
	ownVerifyToken  = "own-verify-token-before-3f9a1c"
	newVerifyToken  = "own-verify-token-after-8b2d7e"
)

// world is what exists at Meta before the first test.
var world = stage.Seed{
	Apps: []stage.App{
		{ID: automaticApp, Name: "Automatic", Secret: automaticSecret},
		{ID: manualApp, Name: "Manual", Secret: manualSecret},
	},
	BusinessAccounts: []stage.BusinessAccount{
		{ID: "102290129340398", Name: "Automatic"},
		{ID: manualAccount, Name: "Manual"},
	},
	PhoneNumbers: []stage.PhoneNumber{
		{ID: "106540352242921", BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1111", VerifiedName: "Support"},
		{ID: "106540352242922", BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1112", VerifiedName: "Billing"},
		{ID: "106540352242923", BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1113", VerifiedName: "Orders"},
		{ID: "106540352242924", BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1114", VerifiedName: "Returns"},
		{ID: "106540352242925", BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1115", VerifiedName: "Surveys"},
		{ID: "106540352242926", BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1116", VerifiedName: "Sales"},
		{ID: "106540352242928", BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1117", VerifiedName: "Claims"},
		{ID: "106540352242929", BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1118", VerifiedName: "Helpline"},
		{ID: "106540352242927", BusinessAccountID: manualAccount, DisplayPhoneNumber: "+1 631-555-2221", VerifiedName: "Repairs"},
	},
	Tokens: []stage.Token{
		{Value: automaticToken, AppID: automaticApp},
		{Value: manualToken, AppID: manualApp},
	},
}

// welcome is what all channels greet customers with.
const welcome = "Thanks for writing. An agent will answer soon."

// line is a channel under test, and what it is made of.
type line struct {
	key           client.ObjectKey
	file          string
	phoneNumberID string
	token         string
	inbox         *stage.Inbox
}

// prepare reads a channel from testdata and makes the Secrets that it names, without applying it.
func prepare(ctx context.Context, file string) *line {
	GinkgoHelper()
	path := filepath.Join("testdata", file+".yaml")
	text, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	var channel v1alpha1.WhatsAppChannel
	Expect(yaml.UnmarshalStrict(text, &channel)).To(Succeed())

	l := &line{key: client.ObjectKeyFromObject(&channel), file: path, token: automaticToken}
	secret := automaticSecret
	if channel.Spec.BusinessAccountID == manualAccount {
		l.token, secret = manualToken, manualSecret
	}
	for _, number := range world.PhoneNumbers {
		if digits(number.DisplayPhoneNumber) == digits(channel.Spec.PhoneNumber) {
			l.phoneNumberID = number.ID
		}
	}
	Expect(l.phoneNumberID).NotTo(BeEmpty(), "no phone number at Meta fits the channel")
	l.inbox = cluster.Inbox(l.key.Namespace, l.key.Name)
	Expect(cluster.ChannelSecret(ctx, l.key.Namespace, "whatsapp", map[string]string{
		"access-token": l.token, "app-secret": secret,
	})).To(Succeed())
	Expect(cluster.TLSSecret(ctx, authority, l.key.Namespace, "callback-tls", channel.Spec.Callback.Hostname)).To(Succeed())
	return l
}

// apply does what a user does.
func (l *line) apply(ctx context.Context) string {
	GinkgoHelper()
	return kubectl(ctx, "apply", "-f", l.file)
}

// expectReady waits as a user does.
func (l *line) expectReady(ctx context.Context) {
	GinkgoHelper()
	kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=90s", "--namespace", l.key.Namespace, "whatsappchannel/"+l.key.Name)
}

// channel reads the channel.
func (l *line) channel(ctx context.Context) *v1alpha1.WhatsAppChannel {
	GinkgoHelper()
	var channel v1alpha1.WhatsAppChannel
	Expect(cluster.Get(ctx, l.key, &channel)).To(Succeed())
	return &channel
}

// request asks the operator to look at Meta again, and waits until it has.
func (l *line) request(ctx context.Context) {
	GinkgoHelper()
	annotated := l.requestOnly(ctx)
	Eventually(func() string { return l.channel(ctx).Status.LastHandledRequest }).WithContext(ctx).Should(Equal(annotated))
}

func (l *line) requestOnly(ctx context.Context) string {
	GinkgoHelper()
	value, err := cluster.Ask(ctx, l.key, v1alpha1.RequestedAtAnnotation)
	Expect(err).NotTo(HaveOccurred())
	return value
}

// pod is the one pod of the channel's receiver.
func (l *line) pod(ctx context.Context) corev1.Pod {
	GinkgoHelper()
	pods, err := cluster.Receivers(ctx, l.key)
	Expect(err).NotTo(HaveOccurred())
	Expect(pods).To(HaveLen(1), "the channel should have one receiver")
	return pods[0]
}

// customerWrites lets a customer write to the channel.
func (l *line) customerWrites(ctx context.Context, c customer, text string) {
	GinkgoHelper()
	Expect(meta.CustomerWrites(ctx, c.phone, c.name, l.phoneNumberID, text)).To(Succeed())
}

// ticket waits for a ticket that holds a customer's message.
func (l *line) ticket(ctx context.Context, text string) stage.Ticket {
	GinkgoHelper()
	var found stage.Ticket
	Eventually(func(g Gomega) {
		tickets, err := l.inbox.Tickets(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		for _, ticket := range tickets {
			if ticket.Article("customer", text) != nil {
				found = ticket
				return
			}
		}
		g.Expect(tickets).To(BeNil(), "none of these tickets holds the message %q", text)
	}).WithContext(ctx).Should(Succeed())
	return found
}

// override is the callback URL that Meta has for the phone number itself.
func (l *line) override(ctx context.Context) (string, error) {
	configuration, err := meta.Graph.WebhookConfiguration(ctx, cloudapi.Token(l.token), l.phoneNumberID)
	return configuration.PhoneNumber, err
}

// customer is somebody who writes to channels. Texts and names are found again if they leak into a log.
type customer struct{ phone, name string }

var erika = customer{"+1 202-555-0143", "Erika Mustermann"}

// expectReceived waits until a customer has got exactly these messages, in this order.
func expectReceived(ctx context.Context, c customer, texts ...string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		received, err := meta.Received(ctx, c.phone)
		g.Expect(err).NotTo(HaveOccurred())
		got := []string{}
		for _, message := range received {
			got = append(got, message.Text)
		}
		g.Expect(got).To(Equal(texts))
	}).WithContext(ctx).Should(Succeed())
}

// kubectl runs kubectl, which must succeed, and returns what it prints.
func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := cluster.Kubectl(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}
