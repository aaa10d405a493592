package controllers

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

type answering func(*http.Request) (*http.Response, error)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func answerWith(status int, body string) answering {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {"http://elsewhere.example.com/"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func TestReceiversAreAskedThroughTheirServices(t *testing.T) {
	reader := NewHTTPReceiverStatus()
	reader.client.Transport = answering(func(r *http.Request) (*http.Response, error) {
		if got := r.URL.String(); got != "http://support-receiver.helpdesk.svc:8081/v1/status" {
			t.Errorf("the receiver is asked at %s", got)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer the-status-token" {
			t.Errorf("it is asked with %q", got)
		}
		encoded, err := json.Marshal(config.Status{Backlog: 7})
		if err != nil {
			t.Fatal(err)
		}
		return answerWith(http.StatusOK, string(encoded))(r)
	})
	status, err := reader.ReceiverStatus(t.Context(), "helpdesk", "support", "the-status-token")
	if err != nil || status.Backlog != 7 {
		t.Errorf("it says %+v, %v", status, err)
	}
}

func TestFailuresOfReceiversHoldNothingOfTheAnswer(t *testing.T) {
	for name, transport := range map[string]answering{
		"refused":  answerWith(http.StatusUnauthorized, "secret-body"),
		"redirect": answerWith(http.StatusFound, "secret-body"),
		"not JSON": answerWith(http.StatusOK, "secret-body"),
		"down":     func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
	} {
		t.Run(name, func(t *testing.T) {
			reader := NewHTTPReceiverStatus()
			reader.client.Transport = transport
			_, err := reader.ReceiverStatus(t.Context(), "helpdesk", "support", "the-status-token")
			if err == nil {
				t.Fatal("the failure was swallowed")
			}
			for _, secret := range []string{"secret-body", "the-status-token", "elsewhere"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds %q: %v", secret, err)
				}
			}
		})
	}
}
