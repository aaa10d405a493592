//go:build e2e

package e2e

import (
	"context"
	"io"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/test/leaksink"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
)

// A word that is in every customer's message and every agent's reply.
const inEveryText = "marmalade"

// expectNoLeak looks for secrets and customers' data in all that the pods have printed, and in all Events.
func expectNoLeak(ctx context.Context) {
	GinkgoHelper()
	sink := &leaksink.Sink{}
	sink.Register(secretsOfTheWorld(ctx)...)
	// IDs of accounts, apps and phone numbers are no secrets, and they look like phone numbers.
	for _, account := range world.BusinessAccounts {
		sink.Allow(account.ID)
	}
	for _, app := range world.Apps {
		sink.Allow(app.ID)
	}
	for _, number := range world.PhoneNumbers {
		sink.Allow(number.ID)
	}
	judged := sink.Writer(io.Discard)

	printed := map[string]int{}
	for container, lines := range logs.Lines() {
		namespace, _, _ := strings.Cut(container, "/")
		for _, line := range lines {
			printed[namespace]++
			_, err := io.WriteString(judged, line)
			Expect(err).NotTo(HaveOccurred())
		}
	}
	// Logs that are empty would leak nothing.
	Expect(printed).To(HaveKey(stage.OperatorNamespace))
	Expect(printed).To(HaveKey(BeElementOf(channelNamespaces)), "no receiver has printed anything")

	var events corev1.EventList
	Expect(cluster.List(ctx, &events)).To(Succeed())
	Expect(events.Items).NotTo(BeEmpty())
	for _, event := range events.Items {
		_, err := io.WriteString(judged, event.Reason+" "+event.Message+"\n")
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(sink.Leaks()).To(BeEmpty())
}

// secretsOfTheWorld are all values that were made up for the tests or made by the operator.
func secretsOfTheWorld(ctx context.Context) []string {
	GinkgoHelper()
	values := []string{
		inEveryText, welcome, "Mustermann", "Musterfrau",
		automaticSecret, automaticToken, renewedSecret, renewedToken, manualSecret, manualToken, ownVerifyToken, newVerifyToken,
		zammadToken, goodbye,
	}
	for _, number := range world.PhoneNumbers {
		values = append(values, digits(number.DisplayPhoneNumber), number.DisplayPhoneNumber)
	}
	var secrets corev1.SecretList
	Expect(cluster.List(ctx, &secrets, client.MatchingLabels{"app.kubernetes.io/managed-by": "whatsapp-operator"})).To(Succeed())
	Expect(secrets.Items).NotTo(BeEmpty())
	for _, secret := range secrets.Items {
		for _, value := range secret.Data {
			// When a value was replaced is kept beside it, and is no secret: other things happen in the same second.
			if _, err := time.Parse(time.RFC3339, string(value)); err == nil {
				continue
			}
			values = append(values, string(value))
		}
	}
	return values
}
