package webhookserver_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// conversing lets customers write side by side, as many messages as it is told, and checks in the end that each became an
// article once.
type conversing struct {
	r         *receiver
	customers []*cloudapitest.Customer
	// onTickets lists what customers wrote, on all tickets: those of the inbox unless told.
	onTickets func() []string
	// due takes one token for each message that is to be written.
	due     chan struct{}
	written atomic.Int64
	ended   sync.WaitGroup
	stop    context.CancelFunc
}

func converse(r *receiver, customers int) *conversing {
	ctx, stop := context.WithCancel(context.Background())
	c := &conversing{r: r, stop: stop, onTickets: r.customersTexts, due: make(chan struct{}, 10_000)}
	for i := range customers {
		customer := r.meta.Customer(fmt.Sprintf("49151000000%02d", i), fmt.Sprintf("Customer %d", i))
		c.customers = append(c.customers, customer)
		c.ended.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-c.due:
					customer.Says(r.number.ID, fmt.Sprintf("message %d of %d", n, i))
					c.written.Add(1)
					// A receiver is not called by more at once than there are customers.
					_ = r.meta.Settle(ctx)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return c
}

// more has further messages written, and returns when a number of them was while as many are still on their way.
func (c *conversing) more(n int64) {
	c.r.t.Helper()
	from := c.written.Load()
	for range 2 * n {
		c.due <- struct{}{}
	}
	c.r.eventually("further messages", func() bool { return c.written.Load() >= from+n })
}

// finish ends the conversations, and fails the test unless each message is on a ticket once.
func (c *conversing) finish() {
	c.r.t.Helper()
	c.stop()
	c.ended.Wait()
	c.r.eventually("every webhook was taken", c.taken)
	processed := func() bool {
		// A database that was away may still be away for whoever asks.
		var s config.Status
		return c.r.api(http.MethodGet, config.StatusPath, "", "", &s) == http.StatusOK && s.Backlog == 0 && s.PendingEffects == 0
	}
	gomega.NewWithT(c.r.t).Eventually(processed).WithTimeout(5*patience).WithPolling(20*time.Millisecond).Should(gomega.BeTrue(), "everything processed")
	count := map[string]int{}
	for _, text := range c.onTickets() {
		count[text]++
	}
	for text, times := range count {
		if times != 1 {
			c.r.t.Errorf("%q is on tickets %d times", text, times)
		}
	}
	if got := int64(len(count)); got != c.written.Load() {
		c.r.t.Errorf("%d of %d messages are on tickets", got, c.written.Load())
	}
}

// taken tells that no webhook is on its way, and none waits to be sent again.
func (c *conversing) taken() bool {
	c.r.t.Helper()
	if err := c.r.meta.Settle(context.Background()); err != nil {
		c.r.t.Fatal(err)
	}
	return !slices.ContainsFunc(c.r.meta.Deliveries(), func(d cloudapitest.Delivery) bool {
		return d.State == cloudapitest.DeliveryQueued || d.State == cloudapitest.DeliveryWaiting
	})
}

// customersTexts lists what customers wrote, on all tickets of the inbox.
func (r *receiver) customersTexts() (texts []string) {
	r.t.Helper()
	for _, ticket := range r.tickets() {
		for _, article := range r.ticket(ticket.ID).Articles {
			if article.Author == "customer" {
				texts = append(texts, article.Text)
			}
		}
	}
	return texts
}

// refusals counts the deliveries that were refused with a status.
func (r *receiver) refusals(status int) (n int) {
	for _, d := range r.meta.Deliveries() {
		for _, attempt := range d.Attempts {
			if attempt.Status == status {
				n++
			}
		}
	}
	return n
}

func TestNoMessageIsLostWhileTheAppSecretIsReset(t *testing.T) {
	var again []time.Duration
	for range 1000 {
		again = append(again, 20*time.Millisecond)
	}
	r := newReceiver(t, cloudapitest.WithRetrySchedule(again...))
	r.leaks.Register("app-secret-after-its-reset")
	// As the operator keeps it: what was good until now is accepted besides, whenever the new value comes.
	r.put(config.PreviousAppSecretFile, appSecret)
	r.start()
	load := converse(r, 4)
	load.more(20)

	r.meta.ResetAppSecret(r.app.ID, "app-secret-after-its-reset")
	load.more(20)
	r.eventually("a webhook refused that the receiver cannot check yet", func() bool { return r.refusals(http.StatusUnauthorized) > 0 })
	r.put(config.AppSecretFile, "app-secret-after-its-reset")
	load.more(20)
	load.finish()
	if status := r.post([]byte(`{"object":"whatsapp_business_account","entry":[]}`)); status != http.StatusOK {
		t.Errorf("a webhook that was signed before the reset is answered %d", status)
	}
}

func TestNothingIsRefusedWhileTheOtherSecretsAreReplaced(t *testing.T) {
	r := newReceiver(t)
	r.start()
	load := converse(r, 4)
	load.more(20)
	shake := func(token string) int {
		status, _, _ := r.do(http.MethodGet, r.callback()+"?hub.mode=subscribe&hub.challenge=1&hub.verify_token="+token, nil, nil)
		return status
	}
	r.put(config.PreviousVerifyTokenFile, verifyToken)
	r.put(config.VerifyTokenFile, "verify-token-that-is-new")
	r.eventually("the new verify token", func() bool {
		if status := shake(verifyToken); status != http.StatusOK {
			t.Fatalf("a handshake with the verify token of before is answered %d", status)
		}
		return shake("verify-token-that-is-new") == http.StatusOK
	})
	r.eventually("a ticket", func() bool { return len(r.tickets()) > 0 })
	ticket := r.tickets()[0].ID
	next := r.meta.IssueToken(cloudapitest.Token{AppID: r.app.ID})
	r.leaks.Register(next)
	r.put(config.AccessTokenFile, next)
	for n := range 10 {
		if status := r.reply(ticket, fmt.Sprint(n), fmt.Sprintf("reply %d", n)); status != http.StatusOK {
			t.Fatalf("reply %d is answered %d", n, status)
		}
		if n == 5 {
			// It was used for the replies before, or the receiver has the new one: neither loses a reply.
			r.meta.RevokeToken(r.token)
		}
	}
	load.finish()
	r.eventually("all replies", func() bool { return r.status().PendingEffects == 0 })
	if dead := r.status().DeadLetters; dead != 0 {
		t.Errorf("%d messages were given up", dead)
	}
	if n := r.refusals(http.StatusUnauthorized) + r.refusals(http.StatusServiceUnavailable); n != 0 {
		t.Errorf("%d webhooks were refused", n)
	}
}
