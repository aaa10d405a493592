package webhookserver_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func (r *receiver) metric(name string) string {
	r.t.Helper()
	_, _, text := r.do(http.MethodGet, "http://"+r.server.HealthAddr().String()+"/metrics", nil, nil)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func TestABacklogThatIsTooLongTurnsWebhooksAway(t *testing.T) {
	r := newReceiver(t)
	r.limits = webhookserver.Limits{MaxBacklog: 10}
	number := r.number.ID
	// Without a phone number nothing is processed.
	r.putChannel(func(c *config.Channel) { c.PhoneNumber = nil })
	r.start()
	n := 0
	post := func() int {
		n++
		return r.post(fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[],"n":%d}`, n))
	}
	r.eventually("webhooks are turned away", func() bool { return post() == http.StatusServiceUnavailable })
	if n <= 11 {
		t.Errorf("webhook %d was turned away, and 11 have to wait before", n)
	}
	body := []byte("{}")
	status, header, _ := r.do(http.MethodPost, r.callback(), map[string]string{webhook.SignatureHeader: webhook.Sign(body, []byte(appSecret))}, body)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	if got := r.metric("whatsapp_receiver_turning_away"); got != "1" {
		t.Errorf("the metric is %q", got)
	}
	if got := r.status().TurningAway; !strings.Contains(got, "wait to be processed") {
		t.Errorf("the status says %q", got)
	}
	if status, _, _ := r.do(http.MethodGet, r.callback()+"?hub.mode=subscribe&hub.challenge=1&hub.verify_token="+verifyToken, nil, nil); status != http.StatusOK {
		t.Errorf("a handshake meanwhile: status %d", status)
	}
	r.putChannel(func(c *config.Channel) { c.PhoneNumber = &config.PhoneNumber{ID: number} })
	r.eventually("webhooks are taken again", func() bool { return post() == http.StatusOK })
	if got := r.metric("whatsapp_receiver_turning_away"); got != "0" {
		t.Errorf("the metric is %q", got)
	}
	if got := r.status().TurningAway; got != "" {
		t.Errorf("the status says %q", got)
	}
	for _, line := range []string{"too many webhooks wait", "the backlog is worked off"} {
		if strings.Count(r.log.String(), line) != 1 {
			t.Errorf("the log does not say once: %s\n%s", line, r.log)
		}
	}
}

// away is a real store that answers no question on demand, as a database that cannot be reached.
type away struct {
	store.Store
	gone atomic.Bool
}

func (a *away) View(ctx context.Context, read func(*store.Tx) error) error {
	if a.gone.Load() {
		return store.ErrUnavailable
	}
	return a.Store.View(ctx, read)
}

func TestAStoreThatDoesNotAnswerIsNotReady(t *testing.T) {
	r := newReceiver(t)
	r.limits = webhookserver.Limits{MaxBacklog: 10}
	var database *away
	r.wrap = func(s store.Store) store.Store {
		database = &away{Store: s}
		return database
	}
	r.start()
	ready := func() (int, string) {
		status, _, why := r.do(http.MethodGet, "http://"+r.server.HealthAddr().String()+"/readyz", nil, nil)
		return status, why
	}
	database.gone.Store(true)
	r.eventually("it is not ready", func() bool {
		status, why := ready()
		return status == http.StatusServiceUnavailable && strings.Contains(why, "the store does not answer")
	})
	database.gone.Store(false)
	r.eventually("it is ready again", func() bool { status, _ := ready(); return status == http.StatusOK })
	for _, line := range []string{"the store does not answer", "the store answers again"} {
		if strings.Count(r.log.String(), line) != 1 {
			t.Errorf("the log does not say once: %s\n%s", line, r.log)
		}
	}
}

func TestTheLastHandshakeSurvivesARestart(t *testing.T) {
	r := newReceiver(t)
	var opened store.Store
	r.wrap = func(s store.Store) store.Store { opened = s; return s }
	stored := func() (at time.Time) {
		t.Helper()
		if err := opened.View(t.Context(), func(tx *store.Tx) (err error) { at, err = tx.LastHandshake(); return err }); err != nil {
			t.Fatal(err)
		}
		return at
	}
	r.start()
	shake := func() {
		t.Helper()
		if status, _, _ := r.do(http.MethodGet, r.callback()+"?hub.mode=subscribe&hub.challenge=1&hub.verify_token="+verifyToken, nil, nil); status != http.StatusOK {
			t.Fatalf("handshake: status %d", status)
		}
	}
	shake()
	// The first is stored at once, and what comes within a minute when the receiver ends.
	r.eventually("it is stored", func() bool { return !stored().IsZero() })
	first := stored()
	for range 20 {
		shake()
	}
	latest := *r.status().LastHandshakeTime
	if got := stored(); !got.Equal(first) {
		t.Errorf("a handshake was stored within a minute of the one before: %v, %v", first, got)
	}
	r.stop()
	r.start()
	if s := r.status(); s.LastHandshakeTime == nil || !s.LastHandshakeTime.Equal(latest) {
		t.Errorf("after a restart: %v, want %v", s.LastHandshakeTime, latest)
	}
}
