package zammadtest_test

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

// setUp makes a webhook and triggers for agents' articles and for states.
func (w *world) setUp(e *endpoint) {
	w.t.Helper()
	hook := w.must("POST", "/webhooks", object{"name": "hook", "endpoint": e.URL, "signature_token": "secret"})
	perform := object{"notification.webhook": object{"webhook_id": jsonNumber(hook["id"])}}
	tag := object{"operator": "contains all", "value": "ours"}
	w.must("POST", "/triggers", object{"name": "replies", "perform": perform, "condition": object{
		"ticket.tags": tag, "article.sender_id": object{"operator": "is", "value": []any{"1"}},
	}})
	w.must("POST", "/triggers", object{"name": "states", "perform": perform, "condition": object{
		"ticket.tags": tag, "ticket.state_id": object{"operator": "has changed", "value": []any{}},
	}})
}

func TestTriggersRunForWhatTheyName(t *testing.T) {
	w, e := newWorld(t), newEndpoint(t)
	w.setUp(e)
	opened := w.must("POST", "/tickets", aTicket(object{"tags": "ours"}))
	foreign := w.must("POST", "/tickets", aTicket(nil))
	agent := w.Agent(w.agent)
	for _, step := range []struct {
		what string
		do   func()
		want int
	}{
		{"a customer's article", func() {
			w.must("POST", "/ticket_articles", object{"ticket_id": opened["id"], "body": "x", "sender": "Customer"})
		}, 0},
		{"an agent's article", func() { agent.Replies(id(opened), "Hello") }, 1},
		{"an agent's internal note", func() { agent.Notes(id(opened), "Hello") }, 1},
		{"an agent's article elsewhere", func() { agent.Replies(id(foreign), "Hello") }, 0},
		{"a change of the state", func() { agent.Closes(id(opened)) }, 1},
		{"the same state again", func() { agent.Closes(id(opened)) }, 0},
		{"a change of the title", func() { w.must("PUT", "/tickets/"+jsonNumber(opened["id"]), object{"title": "New"}) }, 0},
		{"a change of the state with an article", func() { agent.Writes(id(opened), zammadtest.Note{Body: "x", State: "open"}) }, 2},
	} {
		before := e.count()
		step.do()
		w.settle()
		if got := e.count() - before; got != step.want {
			t.Errorf("%s: %d webhooks, want %d", step.what, got, step.want)
		}
	}
}

func TestAWebhookIsSignedAndNamesWhatItIsAbout(t *testing.T) {
	w, e := newWorld(t, zammadtest.WithFQDN("other.example.com")), newEndpoint(t)
	w.setUp(e)
	opened := w.must("POST", "/tickets", aTicket(object{"tags": "ours"}))
	w.Agent(w.agent).Writes(id(opened), zammadtest.Note{Body: "<b>Hello</b>", Files: []zammadtest.File{{Name: "a.txt", Content: []byte("secret content")}}})
	w.settle()
	got, body := e.got[0], e.bodies[0]
	if got.Header.Get("X-Hub-Signature") != zammadtest.Sign(body, "secret") || got.Header.Get("User-Agent") != "Zammad User Agent" ||
		got.Header.Get("X-Zammad-Trigger") != "replies" || len(got.Header.Get("X-Zammad-Delivery")) != 36 {
		t.Errorf("headers %v", got.Header)
	}
	var payload struct{ Ticket, Article object }
	if err := json.Unmarshal(body, &payload); err != nil {
		t.Fatal(err)
	}
	if payload.Ticket["id"] != opened["id"] || payload.Article["body"] != "<b>Hello</b>" || strings.Contains(string(body), "c2VjcmV0") {
		t.Errorf("payload %s", body)
	}
	file := payload.Article["attachments"].([]any)[0].(object)
	if file["url"] != "https://other.example.com/api/v1/ticket_attachment/1/2/1" {
		t.Errorf("the URL is made of the setting fqdn, but is %v", file["url"])
	}
	if customer := payload.Ticket["customer"].(object); customer["firstname"] != "Nicole" || customer["preferences"] != nil {
		t.Errorf("customer %v", customer)
	}
}

// trigger_webhook_job.rb: attempts: 5, wait: executions * 10 seconds.
func TestACertificateIsVerifiedUnlessTheWebhookSaysOtherwise(t *testing.T) {
	for verify, want := range map[bool]int{true: 0, false: http.StatusOK} {
		w, e := newWorld(t), newEndpoint(t)
		secure := httptest.NewUnstartedServer(e.Config.Handler)
		secure.Config.ErrorLog = log.New(io.Discard, "", 0)
		secure.StartTLS()
		t.Cleanup(secure.Close)
		w.setUp(&endpoint{Server: secure})
		w.must("PUT", "/webhooks/1", object{"ssl_verify": verify})
		w.Agent(w.agent).Replies(id(w.must("POST", "/tickets", aTicket(object{"tags": "ours"}))), "Hello")
		w.settle()
		if got := w.Deliveries()[0].Attempts[0].Status; got != want {
			t.Errorf("ssl_verify %t: status %d, want %d", verify, got, want)
		}
	}
}

func TestAWebhookIsSentFiveTimesAndThenNeverAgain(t *testing.T) {
	w, e := newWorld(t), newEndpoint(t)
	w.setUp(e)
	opened := w.must("POST", "/tickets", aTicket(object{"tags": "ours"}))
	// A redirect is no success either.
	e.statuses = []int{500, 302, 404, 503, 500}
	w.Agent(w.agent).Replies(id(opened), "Hello")
	for i, pause := range []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second, 40 * time.Second} {
		w.settle()
		w.clock.AwaitTimers(1)
		w.clock.Advance(pause - time.Nanosecond)
		if got := e.count(); got != i+1 {
			t.Fatalf("%d attempts before the pause of %s was over", got, pause)
		}
		w.clock.Advance(time.Nanosecond)
		for e.count() < i+2 {
			w.settle()
		}
	}
	w.settle()
	d := w.Deliveries()[0]
	if d.State != zammadtest.DeliveryAbandoned || len(d.Attempts) != 5 {
		t.Errorf("the delivery is %+v", d)
	}
	for _, r := range e.got {
		if r.Header.Get("X-Zammad-Delivery") != d.ID {
			t.Error("attempts of one delivery have different IDs")
		}
	}
}

func TestWhatHooksMustBe(t *testing.T) {
	w, e := newWorld(t), newEndpoint(t)
	w.setUp(e)
	perform := object{"notification.webhook": object{"webhook_id": "1"}}
	w.refused("POST", "/webhooks", object{"name": "x", "endpoint": "ftp://host"}, 422, "no http or https protocol")
	w.refused("POST", "/webhooks", object{"name": "", "endpoint": e.URL}, 422, "Name can't be blank")
	w.refused("POST", "/triggers", object{"name": "REPLIES", "perform": perform, "condition": object{}}, 422, "Name has already been taken")
	w.refused("POST", "/triggers", object{"name": "x", "perform": object{}, "condition": object{}}, 422, "webhook_id is missing")
	w.refused("DELETE", "/webhooks/1", nil, 422, "referenced by Trigger")
	// webhook.rb has no rule about names that are there already.
	w.must("POST", "/webhooks", object{"name": "hook", "endpoint": e.URL})
	w.must("DELETE", "/triggers/1", nil)
	w.must("DELETE", "/triggers/2", nil)
	w.must("DELETE", "/webhooks/1", nil)
	w.token = w.IssueToken(w.agent, "ticket.agent")
	for _, path := range []string{"/webhooks", "/triggers"} {
		w.refused("GET", path, nil, http.StatusForbidden, "Not authorized")
	}
}
