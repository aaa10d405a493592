package outbox

import (
	"net/http"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// UseClient has a caller call WhatsApp with an HTTP client of the test's.
func UseClient(g *GraphCaller, with *http.Client) {
	account := g.Account()
	client, err := cloudapi.NewClient(cloudapi.Options{BaseURL: account.BaseURL, Version: account.Version, HTTPClient: with})
	if err != nil {
		panic(err)
	}
	g.client, g.of = client, account
}
