//go:build e2e

package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// subscribeApp enters a callback URL and a verify token as an admin does in Meta's dashboard. Meta asks the URL before it
// accepts it.
func subscribeApp(ctx context.Context, appID, appSecret, url, verifyToken string) error {
	app := cloudapi.App{ID: appID, Secret: cloudapi.Token(appSecret)}
	return meta.Graph.CreateAppSubscription(ctx, app, url, cloudapi.Token(verifyToken), []string{"messages"})
}

// subscribeAccount lets the token's app have the webhooks of a business account.
func subscribeAccount(ctx context.Context, token, businessAccountID string) error {
	return meta.Graph.SubscribeApp(ctx, cloudapi.Token(token), businessAccountID)
}

// conditionMessage is what a condition of a channel says to people, or nothing.
func conditionMessage(ctx context.Context, l *line, condition string) string {
	GinkgoHelper()
	found, err := cluster.Condition(ctx, l.key, condition)
	Expect(err).NotTo(HaveOccurred())
	return found.Message
}
