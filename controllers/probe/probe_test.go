package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const (
	challenge = "0123456789abcdef"
	token     = "the-verify-token"
)

func echo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("hub.mode") != "subscribe" || r.URL.Query().Get("hub.verify_token") != token {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	_, _ = w.Write([]byte(r.URL.Query().Get("hub.challenge")))
}

func TestProbe(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		options Options
		url     string
		token   string
		want    Problem
	}{
		"answers":              {handler: echo},
		"another token":        {handler: echo, token: "of-somebody-else", want: VerifyTokenRefused},
		"a page":               {handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, want: WrongAnswer},
		"a redirect":           {handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, want: Redirected},
		"no route":             {handler: http.NotFound, want: UnexpectedStatus},
		"a server error":       {handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, want: UnexpectedStatus},
		"a closed connection":  {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: ConnectionFailed},
		"an unknown authority": {handler: echo, options: Options{RootCAs: x509.NewCertPool()}, want: TLSFailed},
		"another name":         {handler: echo, url: "https://wa.example.org/helpdesk/support", want: TLSFailed},
		"no such name":         {url: "https://wa.example.com/helpdesk/support", options: Options{DialContext: unresolvable}, want: NameNotResolved},
		"a loopback address":   {handler: echo, url: "https://127.0.0.1:1/", want: AddressNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			handler := tc.handler
			if handler == nil {
				handler = echo
			}
			server := httptest.NewUnstartedServer(handler)
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			if tc.options.RootCAs == nil {
				tc.options.RootCAs = x509.NewCertPool()
				tc.options.RootCAs.AddCert(server.Certificate())
			}
			if tc.options.DialContext == nil && tc.want != AddressNotAllowed {
				tc.options.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
				}
			}
			url := "https://wa.example.com/helpdesk/support"
			if tc.url != "" {
				url = tc.url
			}
			sent := token
			if tc.token != "" {
				sent = tc.token
			}
			err := New(tc.options).Probe(t.Context(), url, sent, challenge)
			if tc.want == "" {
				if err != nil {
					t.Errorf("the handshake failed: %v", err)
				}
				return
			}
			var failure *Error
			if !errors.As(err, &failure) || failure.Problem != tc.want {
				t.Fatalf("the problem is %v, not %s", err, tc.want)
			}
			for _, secret := range []string{sent, challenge, "html", "127.0.0.1"} {
				if strings.Contains(failure.Error(), secret) {
					t.Errorf("the error holds %q: %v", secret, failure)
				}
			}
		})
	}
}

// A proxy of the admin's own choice may listen on this host itself. It opens no way to where a hostname must not lead.
func TestThroughAProxy(t *testing.T) {
	target := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	target.Config.ErrorLog = log.New(io.Discard, "", 0)
	target.StartTLS()
	defer target.Close()
	asked := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		onwards, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", target.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(http.StatusOK)
		caller, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _, _ = io.Copy(onwards, caller); _ = onwards.Close() }()
		_, _ = io.Copy(caller, onwards)
		_ = caller.Close()
	}))
	defer proxy.Close()
	roots := x509.NewCertPool()
	roots.AddCert(target.Certificate())
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	prober := New(Options{RootCAs: roots, Proxy: http.ProxyURL(at)})
	if err := prober.Probe(t.Context(), "https://wa.example.com/helpdesk/support", token, challenge); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != "CONNECT wa.example.com:443" {
		t.Errorf("the proxy was asked for %q", got)
	}
	for _, inside := range []string{"127.0.0.1", "169.254.169.254", "[::1]", "localhost"} {
		var failure *Error
		if err := prober.Probe(t.Context(), "https://"+inside+"/helpdesk/support", token, challenge); !errors.As(err, &failure) || failure.Problem != AddressNotAllowed {
			t.Errorf("%s: %v", inside, err)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the proxy was asked for %q", <-asked)
	}
}

func unresolvable(context.Context, string, string) (net.Conn, error) {
	return nil, &net.DNSError{Err: "no such host", Name: "wa.example.com", IsNotFound: true}
}

func TestAddressesThatAreNotProbed(t *testing.T) {
	for address, allowed := range map[string]bool{
		"203.0.113.7:443":              true,
		"10.0.0.7:443":                 true,
		"[2001:db8::7]:443":            true,
		"169.254.169.254:443":          false,
		"[fe80::1]:443":                false,
		"[::ffff:169.254.169.254]:443": false,
		"127.0.0.1:443":                false,
		"[::1]:443":                    false,
		"0.0.0.0:443":                  false,
		"224.0.0.1:443":                false,
		"not an address":               false,
	} {
		if got := checkAddress(address, false) == nil; got != allowed {
			t.Errorf("%s is allowed: %v", address, got)
		}
	}
	if checkAddress("127.0.0.1:443", true) != nil {
		t.Error("loopback is refused although it is allowed")
	}
	if checkAddress("169.254.169.254:443", true) == nil {
		t.Error("a link-local address is allowed together with loopback")
	}
}
