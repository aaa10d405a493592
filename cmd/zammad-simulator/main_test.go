package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/test/simulator/simulatortest"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

// program is a running simulator.
type program struct {
	*simulatortest.Program
	t            *testing.T
	api, control string
}

const token = "token-of-the-demo"

func start(t *testing.T) *program {
	t.Helper()
	p := &program{t: t, Program: simulatortest.Start(t, run, "--token", token)}
	p.api, p.control = "http://"+p.Service+"/api/v1", "http://"+p.Control
	return p
}

// call makes a call and returns the status and the answer.
func (p *program) call(method, url, body string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token token="+token)
	request.Close = true
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func (p *program) must(method, url, body string) string {
	p.t.Helper()
	status, answer := p.call(method, url, body)
	if status < 200 || status > 299 {
		p.t.Fatalf("%s %s: %d %s", method, url, status, answer)
	}
	return answer
}

func TestTheAgentWorksOverTheControlAPI(t *testing.T) {
	rung := make(chan string, 4)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { rung <- r.Header.Get("X-Zammad-Trigger") }))
	t.Cleanup(hook.Close)
	p := start(t)
	p.must("POST", p.api+"/webhooks", `{"name":"hook","endpoint":"`+hook.URL+`"}`)
	p.must("POST", p.api+"/triggers", `{"name":"replies","condition":{"article.sender_id":{"operator":"is","value":["1"]}},
		"perform":{"notification.webhook":{"webhook_id":"1"}}}`)
	for range 2 {
		p.must("POST", p.api+"/tickets", `{"title":"A ticket","group":"2nd Level","customer":{"login":"x"},"article":{"body":"Hello","sender":"Customer"}}`)
	}
	p.must("POST", p.control+"/tickets/1/articles", `{"body":"A reply","plain":true,"files":[{"name":"a.txt","mimeType":"text/plain","content":"aGVsbG8="}]}`)
	if trigger := <-rung; trigger != "replies" {
		t.Errorf("rung by %q", trigger)
	}
	p.must("PUT", p.control+"/tickets/1/state", `{"state":"closed"}`)
	var seen struct {
		State    string
		Articles []struct {
			Body, Sender string
			Files        []struct{ Content []byte }
		}
	}
	if err := json.Unmarshal([]byte(p.must("GET", p.control+"/tickets/1", "")), &seen); err != nil {
		t.Fatal(err)
	}
	if seen.State != "closed" || len(seen.Articles) != 2 || seen.Articles[1].Sender != "Agent" || string(seen.Articles[1].Files[0].Content) != "hello" {
		t.Errorf("the ticket is %+v", seen)
	}
	p.must("POST", p.control+"/tickets/1/merge", `{"into":2}`)
	p.must("DELETE", p.control+"/tickets/2", "")
	if answer := p.must("GET", p.control+"/tickets", ""); !strings.Contains(answer, `"merged"`) || strings.Contains(answer, `"id":2,`) {
		t.Errorf("the tickets are %s", answer)
	}
	if out := p.Logs.String(); strings.Contains(out, token) || strings.Contains(out, "A reply") {
		t.Errorf("the log tells too much: %s", out)
	}
}

func TestWhatTheControlAPIRefuses(t *testing.T) {
	p := start(t)
	p.must("POST", p.api+"/tickets", `{"title":"A ticket","group":"Users","customer":{"login":"x"},"article":{"body":"Hello"}}`)
	for _, one := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/tickets/7", "", 404, "there is no ticket 7"},
		{"POST", "/tickets/7/articles", `{"body":"x"}`, 404, "there is no ticket 7"},
		{"POST", "/tickets/1/articles", `{}`, 400, "is needed"},
		{"POST", "/tickets/1/articles", `{"unknown":1}`, 400, "not the expected JSON"},
		{"PUT", "/tickets/1/state", `{"state":"asleep"}`, 400, "there is no state"},
		{"POST", "/tickets/1/merge", `{"into":9}`, 404, "there is no ticket 9"},
		{"POST", "/failures", `{}`, 400, "is needed"},
		{"POST", "/groups", `{}`, 400, "is needed"},
	} {
		if status, answer := p.call(one.method, p.control+one.path, one.body); status != one.status || !strings.Contains(answer, one.says) {
			t.Errorf("%s %s: %d %s", one.method, one.path, status, answer)
		}
	}
}

func TestFaultsAndTokensOverTheControlAPI(t *testing.T) {
	p := start(t)
	p.must("GET", p.api+"/users/me", "")
	p.must("POST", p.control+"/failures", `{"endpoint":"GET /api/v1/users/me","status":502,"times":1}`)
	if status, _ := p.call("GET", p.api+"/users/me", ""); status != 502 {
		t.Errorf("status %d", status)
	}
	p.must("POST", p.control+"/down", "")
	if status, _ := p.call("GET", p.api+"/users/me", ""); status != 0 {
		t.Errorf("down, and answers %d", status)
	}
	p.must("DELETE", p.control+"/failures", "")
	p.must("POST", p.control+"/groups", `{"name":"Sales"}`)
	if me := p.must("GET", p.api+"/users/me?expand=true", ""); !strings.Contains(me, "Sales") {
		t.Errorf("the token's user is %s", me)
	}
	p.must("POST", p.control+"/tokens/revoke", `{"value":"`+token+`"}`)
	if status, _ := p.call("GET", p.api+"/users/me", ""); status != 401 {
		t.Errorf("a revoked token: status %d", status)
	}
	p.must("POST", p.control+"/tokens", `{"value":"`+token+`","permissions":["ticket.agent"]}`)
	p.must("GET", p.api+"/users/me", "")
}

// Every call of the control API is in the documentation and in -h.
func TestControlAPIIsDocumented(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(source), "\npackage main")
	var help bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, &help, nil); err == nil {
		t.Error("-h serves")
	}
	for _, route := range (&control{}).routes() {
		method, path, _ := strings.Cut(route.Pattern, " ")
		if !strings.Contains(comment, path) || !strings.Contains(comment, method) || !strings.Contains(help.String(), route.Pattern) {
			t.Errorf("%s is not in the package's documentation, or not in -h", route.Pattern)
		}
	}
}
