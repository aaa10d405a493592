package sendtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// StuckError says at which step a message got stuck, why, and what to do.
type StuckError struct {
	// Step is DNS, connection, TLS, callback URL, receiver, or helpdesk.
	Step string
	Why  string
}

func (e *StuckError) Error() string { return "stuck at the step " + e.Step + ": " + e.Why }

// Post signs a webhook and sends it to a callback URL, as Meta does. An error is a StuckError.
func Post(ctx context.Context, client *http.Client, callback string, body, appSecret []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, callback, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(webhook.SignatureHeader, webhook.Sign(body, appSecret))
	response, err := client.Do(request)
	if err != nil {
		return stuckOnTheWay(request.URL, err)
	}
	_ = response.Body.Close()
	return stuckAt(response.StatusCode)
}

// stuckOnTheWay says how far a request came that got no answer.
func stuckOnTheWay(to *url.URL, err error) error {
	var (
		unresolved  *net.DNSError
		certificate *tls.CertificateVerificationError
		otherName   x509.HostnameError
		noTLS       tls.RecordHeaderError
		alert       tls.AlertError
		failed      *url.Error
		dialled     *net.OpError
	)
	switch host := to.Hostname(); {
	case errors.As(err, &unresolved):
		return &StuckError{"DNS", fmt.Sprintf("the name %s is not known here (%s); add it to DNS, or try --direct if it is known only elsewhere",
			host, unresolved.Err)}
	case errors.As(err, &otherName):
		return &StuckError{"TLS", fmt.Sprintf("the certificate is for another name than %s; Meta refuses it, too (%s)", host, otherName.Error())}
	case errors.As(err, &certificate):
		return &StuckError{"TLS", fmt.Sprintf("the certificate of %s is not trusted (%s); Meta accepts certificates of public authorities only. "+
			"For a private one, name its authority with --ca-file", host, certificate.Err)}
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &noTLS), errors.As(err, &alert):
		return &StuckError{"TLS", fmt.Sprintf("what answers at %s does not speak TLS as it should (%s); look at what leads the name to the receiver", to.Host, text(err))}
	case errors.Is(err, context.DeadlineExceeded):
		return &StuckError{"connection", fmt.Sprintf("%s did not answer in time; look at firewalls, and at what leads the name to the receiver", to.Host)}
	case errors.As(err, &dialled) && dialled.Op == "dial":
		return &StuckError{"connection", fmt.Sprintf("no connection to %s (%s); is the Service, Ingress or route there that leads to the receiver?", to.Host, dialled.Err)}
	case errors.As(err, &failed):
		return &StuckError{"connection", failed.Err.Error()}
	}
	return &StuckError{"connection", err.Error()}
}

func text(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return err.Error()
}

// stuckAt judges the answer of the callback URL; 200 means that the webhook is stored.
func stuckAt(status int) error {
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusUnauthorized:
		return &StuckError{"receiver", "it refuses the signature (401): it has another app secret than the Secret that spec.appSecretSecretRef names. " +
			"After a change of that Secret the receiver has the new one within two minutes"}
	case status == http.StatusNotFound:
		return &StuckError{"callback URL", "what answered knows no such path (404); the path has to reach the receiver unchanged, so look at rewrites in the Ingress or route"}
	case status/100 == 3:
		return &StuckError{"callback URL", fmt.Sprintf("the answer is a redirect (%d), which Meta does not follow; let the URL lead to the receiver itself", status)}
	case status == http.StatusServiceUnavailable || status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		return &StuckError{"receiver", fmt.Sprintf("the webhook was not stored (%d): the receiver is starting, full, or not reached; "+
			"Meta would try again. `kubectl whatsapp status` says more", status)}
	}
	return &StuckError{"callback URL", fmt.Sprintf("the answer has the HTTP status %d, which is not the receiver's; something else answers at this URL", status)}
}
