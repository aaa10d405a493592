//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/big"
	"net/http"
	neturl "net/url"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage/stagetest"
)

const (
	rotationHost = "billing-callback.rotation.svc.cluster.local"
	rotationURL  = "https://" + rotationHost + "/rotation/billing"
)

var _ = Describe("Secrets that change", Ordered, ContinueOnFailure, func() {
	var (
		billing *line
		before  corev1.Pod
		paula   = customer{"+1 202-555-0145", "Paula Musterfrau"}
	)

	BeforeAll(func(ctx SpecContext) {
		billing = prepare(ctx, "rotating")
		Expect(cluster.ChannelSecret(ctx, "rotation", "own-verify-token", map[string]string{"token": ownVerifyToken})).To(Succeed())
		billing.apply(ctx)
		billing.expectReady(ctx)
		before = billing.pod(ctx)
		Expect(handshake(ctx, rotationURL, ownVerifyToken)).To(Equal(http.StatusOK))
		Expect(handshake(ctx, rotationURL, newVerifyToken)).To(Equal(http.StatusForbidden))
		Expect(post(ctx, automaticSecret)).To(Equal(http.StatusOK))
		Expect(post(ctx, renewedSecret)).To(Equal(http.StatusUnauthorized))
	}, NodeTimeout(5*time.Minute))

	// The files of a mounted Secret follow within seconds or within two minutes, as the kubelet is set.
	eventually := func(ctx context.Context, check func(context.Context) (int, error)) AsyncAssertion {
		return Eventually(check).WithContext(ctx).WithTimeout(4 * time.Minute)
	}

	It("takes a new verify token", func(ctx SpecContext) {
		Expect(cluster.ChannelSecret(ctx, "rotation", "own-verify-token", map[string]string{"token": newVerifyToken})).To(Succeed())
		eventually(ctx, func(ctx context.Context) (int, error) { return handshake(ctx, rotationURL, newVerifyToken) }).Should(Equal(http.StatusOK))
		stagetest.ExpectSamePod(billing.pod(ctx), before)
	}, SpecTimeout(5*time.Minute))

	It("takes a new app secret and a new access token, and loses no message meanwhile", func(ctx SpecContext) {
		Expect(meta.ResetAppSecret(ctx, automaticApp, renewedSecret)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(meta.ResetAppSecret(ctx, automaticApp, automaticSecret)).To(Succeed())
		})
		Expect(meta.IssueToken(ctx, stage.Token{Value: renewedToken, AppID: automaticApp})).To(Succeed())
		// Meta signs this one with the new secret, which the receiver does not know yet.
		billing.customerWrites(ctx, paula, "Where is my marmalade invoice?")

		Expect(cluster.ChannelSecret(ctx, "rotation", "whatsapp", map[string]string{
			"access-token": renewedToken, "app-secret": renewedSecret,
		})).To(Succeed())
		eventually(ctx, func(ctx context.Context) (int, error) { return post(ctx, renewedSecret) }).Should(Equal(http.StatusOK))
		ticket := billing.ticket(ctx, "Where is my marmalade invoice?")
		expectReceived(ctx, paula, welcome)

		const reply = "The marmalade invoice is on its way."
		Expect(billing.inbox.Reply(ctx, ticket.ID, "invoice", reply)).To(Succeed())
		expectReceived(ctx, paula, welcome, reply)
		stagetest.ExpectSamePod(billing.pod(ctx), before)
		billing.request(ctx)
		billing.expectReady(ctx)
	}, SpecTimeout(8*time.Minute))

	It("serves a renewed certificate", func(ctx SpecContext) {
		old := servedSerial(ctx)
		Expect(cluster.TLSSecret(ctx, authority, "rotation", "callback-tls", rotationHost)).To(Succeed())
		Eventually(servedSerial).WithContext(ctx).WithTimeout(4 * time.Minute).ShouldNot(Equal(old))
		Expect(handshake(ctx, rotationURL, newVerifyToken)).To(Equal(http.StatusOK))
		stagetest.ExpectSamePod(billing.pod(ctx), before)
	}, SpecTimeout(5*time.Minute))
})

// handshake asks a callback URL as Meta does before it accepts it.
func handshake(ctx context.Context, url, verifyToken string) (status int, err error) {
	query := neturl.Values{"hub.mode": {"subscribe"}, "hub.challenge": {"1158201444"}, "hub.verify_token": {verifyToken}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := cluster.HTTPClient(authority.Pool()).Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode == http.StatusOK && string(answer) != "1158201444" {
		err = fmt.Errorf("the answer is not the challenge")
	}
	return response.StatusCode, err
}

// post sends a signed webhook that tells nothing.
func post(ctx context.Context, appSecret string) (status int, err error) {
	body := []byte(`{"object":"whatsapp_business_account","entry":[]}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, rotationURL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set(webhook.SignatureHeader, webhook.Sign(body, []byte(appSecret)))
	response, err := cluster.HTTPClient(authority.Pool()).Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// servedSerial is the serial number of the certificate that the callback URL is served with.
func servedSerial(ctx context.Context) *big.Int {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, rotationURL, http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	response, err := cluster.HTTPClient(authority.Pool()).Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	return response.TLS.PeerCertificates[0].SerialNumber
}
