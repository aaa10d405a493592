package webhookserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// An app with the setting "Require App Secret" answers no call without a proof of its secret. While the secret is
// rotated, the receiver has two, and only Meta knows which is the app's.
func TestCallsProveTheAppSecretThroughItsRotation(t *testing.T) {
	r := newReceiver(t)
	isNow := func(secret string) {
		r.meta.AddApp(cloudapitest.App{ID: r.app.ID, Secret: secret, RequireProof: true})
	}
	isNow(appSecret)
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.SendsFile(r.number.ID, cloudapitest.File{Kind: "image", MIMEType: "image/png", Content: png})
	r.eventually("the welcome", func() bool { return len(customer.Received()) == 1 })
	r.eventually("a ticket", func() bool { return len(r.tickets()) == 1 })
	r.eventually("the file", func() bool {
		a := r.ticket(1).Articles
		return len(a) > 0 && len(a[0].Attachments) == 1 && a[0].Attachments[0].State == "kept"
	})

	const next = "the-next-app-secret-1b7d"
	r.leaks.Register(next)
	arrives := func(what string, n int) {
		t.Helper()
		if status := r.reply(1, what, agentText); status != http.StatusOK {
			t.Fatalf("%s: status %d", what, status)
		}
		r.eventually(what, func() bool { return len(customer.Received()) == n })
	}
	r.put(config.PreviousAppSecretFile, appSecret)
	r.put(config.AppSecretFile, next)
	arrives("Meta still has the old secret", 2)
	isNow(next)
	arrives("Meta has the new secret", 3)

	isNow("one-that-nobody-told-the-receiver")
	if status := r.reply(1, "lost", agentText); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	r.eventually("the reason is told", func() bool { return strings.Contains(r.status().SendingError, "not of the same app") })
	if got := len(customer.Received()); got != 3 {
		t.Errorf("the customer got %d messages", got)
	}
	r.put(config.AppSecretFile, "one-that-nobody-told-the-receiver")
	r.eventually("it is mended", func() bool { return len(customer.Received()) == 4 && r.status().SendingError == "" })
}
