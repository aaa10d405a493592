package controllers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/controllers/certificate"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const statusToken = "the-status-token"

// privateAPI serves a handler as the receiver of a channel does, and returns a reader that reaches it with what opens it.
func privateAPI(t *testing.T, host string, handler http.HandlerFunc) (*HTTPReceiverStatus, PrivateAPI) {
	t.Helper()
	files, _, err := certificate.Renew(certificate.Files{}, host, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(files.Certificate, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	reader := &HTTPReceiverStatus{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "support-receiver.helpdesk.svc:8081" {
			t.Errorf("the receiver is asked at %s", address)
		}
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	return reader, PrivateAPI{Token: statusToken, CA: files.Trusted}
}

func TestReceiversAreAskedThroughTheirServices(t *testing.T) {
	reader, access := privateAPI(t, "support-receiver.helpdesk.svc", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/status" {
			t.Errorf("the receiver is asked for %s", r.URL.Path)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer "+statusToken {
			t.Errorf("it is asked with %q", got)
		}
		if err := json.NewEncoder(w).Encode(config.Status{Backlog: 7}); err != nil {
			t.Error(err)
		}
	})
	status, err := reader.ReceiverStatus(t.Context(), "helpdesk", "support", access)
	if err != nil || status.Backlog != 7 {
		t.Errorf("it says %+v, %v", status, err)
	}
}

func TestOnlyTheReceiverItselfGetsTheToken(t *testing.T) {
	handler := func(http.ResponseWriter, *http.Request) { t.Error("a stranger was asked") }
	_, trusted := privateAPI(t, "support-receiver.helpdesk.svc", handler)
	stranger, _ := privateAPI(t, "support-receiver.helpdesk.svc", handler)
	namesake, itself := privateAPI(t, "support-receiver.sales.svc", handler)
	for name, ask := range map[string]struct {
		reader *HTTPReceiverStatus
		access PrivateAPI
	}{
		"another authority": {stranger, trusted},
		"another name":      {namesake, itself},
		"nothing to trust":  {stranger, PrivateAPI{Token: statusToken}},
	} {
		if _, err := ask.reader.ReceiverStatus(t.Context(), "helpdesk", "support", ask.access); err == nil {
			t.Errorf("%s: the answer was taken", name)
		}
	}
}

func TestFailuresOfReceiversHoldNothingOfTheAnswer(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://elsewhere.example.com/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "secret-body")
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"refused":  answer(http.StatusUnauthorized),
		"redirect": answer(http.StatusFound),
		"not JSON": answer(http.StatusOK),
		"down":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			reader, access := privateAPI(t, "support-receiver.helpdesk.svc", handler)
			if handler == nil {
				reader.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
			}
			_, err := reader.ReceiverStatus(t.Context(), "helpdesk", "support", access)
			if err == nil {
				t.Fatal("the failure was swallowed")
			}
			for _, secret := range []string{"secret-body", statusToken, "elsewhere"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds %q: %v", secret, err)
				}
			}
		})
	}
}
