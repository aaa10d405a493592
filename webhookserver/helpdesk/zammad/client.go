package zammad

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/version"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

const (
	// maxAnswer bounds what is read of an answer, in bytes. A ticket of some thousand articles stays below it.
	maxAnswer = 64 << 20
	// maxError bounds what is read of an answer that is an error.
	maxError = 64 << 10
)

// client calls the REST API of one Zammad with one token. It follows no redirects: the token is for that server alone.
type client struct {
	base  string
	token string
	http  *http.Client
	// clock times requests. They take their time whatever the receiver's clock shows.
	clock clock.Clock
	// pageSize is how many tickets a sweep asks for at once.
	pageSize int
}

func newClient(base, token string, roots *x509.CertPool) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	if roots != nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	return &client{
		base: strings.TrimRight(base, "/") + "/api/v1", token: token, clock: clock.System{}, pageSize: pageSize,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// get reads. A read that fails has done nothing, so its errors never leave doubt.
func (c *client) get(ctx context.Context, path string, query url.Values, into any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	err := c.call(ctx, http.MethodGet, path, nil, 0, into)
	if known := (*helpdesk.Error)(nil); errors.As(err, &known) && known.Means == helpdesk.InDoubt {
		certain := *known
		certain.Means = helpdesk.NotDone
		return &certain
	}
	return err
}

// send writes what in is as JSON.
func (c *client) send(ctx context.Context, method, path string, in, into any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode a request: %w", err)
	}
	return c.call(ctx, method, path, bytes.NewReader(body), int64(len(body)), into)
}

// call makes one request, within [answerTimeout] unless the context has a deadline. The errors are *helpdesk.Error, but
// for those of the context.
func (c *client) call(ctx context.Context, method, path string, body io.Reader, length int64, into any) error {
	if _, limited := ctx.Deadline(); !limited {
		within, _, stop := c.watch(ctx, answerTimeout, answerTimeout)
		defer stop()
		ctx = within
	}
	response, err := c.request(ctx, method, path, body, length)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if into == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxError))
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return lost(err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return notUnderstood(err)
	}
	return nil
}

// request makes one request and returns an answer of success, whose body is the caller's to close.
func (c *client) request(ctx context.Context, method, path string, body io.Reader, length int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	request.ContentLength = length
	request.Header.Set("Authorization", "Token token="+c.token)
	request.Header.Set("User-Agent", version.UserAgent())
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, unreachable(err)
	}
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	content, _ := io.ReadAll(io.LimitReader(response.Body, maxError))
	return nil, failure(response.StatusCode, response.Header, content)
}

// statusError is the cause of an error that Zammad answered with.
type statusError struct {
	status int
	// text is Zammad's own, which may hold anything.
	text string
}

func (e *statusError) Error() string { return "status " + strconv.Itoa(e.status) }

// hasStatus tells whether Zammad answered with a status.
func hasStatus(err error, status int) bool {
	cause := (*statusError)(nil)
	return errors.As(err, &cause) && cause.status == status
}

// unreachable is the error of a request without an answer. One that was never sent was certainly not carried out.
func unreachable(err error) error {
	e := &helpdesk.Error{Means: helpdesk.InDoubt, Reason: helpdesk.ReasonUnreachable, Err: err}
	opening := (*net.OpError)(nil)
	name := (*net.DNSError)(nil)
	unverified := (*tls.CertificateVerificationError)(nil)
	switch {
	case errors.As(err, &unverified):
		e.Means = helpdesk.NotDone
		e.Message = "Zammad's certificate is not signed by an authority that is trusted here; add that authority to the operator's CA file."
	case errors.As(err, &name):
		e.Means, e.Message = helpdesk.NotDone, "the host name in Zammad's URL is not known; check the URL."
	case errors.As(err, &opening) && opening.Op == "dial":
		e.Means, e.Message = helpdesk.NotDone, "no connection to Zammad could be made; check its URL, and that it runs."
	case errors.Is(err, context.DeadlineExceeded):
		e.Message = "Zammad did not answer in time; check that it runs."
	default:
		e.Message = "the connection to Zammad broke; check that it runs."
	}
	return e
}

// lost is the error of an answer that broke off.
func lost(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return unreachable(err)
	}
	return &helpdesk.Error{
		Means: helpdesk.InDoubt, Reason: helpdesk.ReasonUnreachable, Message: "Zammad's answer broke off; check that it runs.", Err: err,
	}
}

func notUnderstood(err error) error {
	return &helpdesk.Error{
		Means: helpdesk.InDoubt, Reason: helpdesk.ReasonNotUnderstood, Err: err,
		Message: "what answers at this URL does not answer as Zammad does; check the URL, which is without /api/v1.",
	}
}

// failure is the error of an answer that is one.
func failure(status int, header http.Header, content []byte) error {
	var body struct {
		Error string `json:"error"`
	}
	ofZammad := json.Unmarshal(content, &body) == nil && body.Error != ""
	e := &helpdesk.Error{Err: &statusError{status, body.Error}}
	switch {
	case status == http.StatusUnauthorized:
		e.Means, e.Reason = helpdesk.StopUntilChanged, helpdesk.ReasonTokenRefused
		e.Message = "Zammad does not accept the token; it may have been revoked or have expired. Create a new one and put it into the Secret."
	case status == http.StatusForbidden:
		e.Means, e.Reason = helpdesk.Stop, helpdesk.ReasonPermissionMissing
		e.Message = "Zammad does not let the token do this; it needs the permission ticket.agent, and its user full access to the target group."
	case status == http.StatusNotFound && ofZammad:
		e.Means, e.Reason, e.Message = helpdesk.Gone, helpdesk.ReasonTicketGone, "the ticket was deleted in Zammad."
	case status == http.StatusRequestEntityTooLarge:
		e.Means, e.Reason = helpdesk.Refused, helpdesk.ReasonRejected
		e.Message = "the web server in front of Zammad refuses requests of this size."
	case status == http.StatusTooManyRequests:
		e.Means, e.Reason, e.Message = helpdesk.NotDone, helpdesk.ReasonThrottled, "Zammad asks to call it less often."
		e.RetryAfter = retryAfter(header)
	case status == http.StatusUnprocessableEntity:
		e.Means, e.Reason, e.Message = helpdesk.Refused, helpdesk.ReasonRejected, "Zammad refuses this"+harmless(body.Error)+"."
	case status >= 500:
		e.Means, e.Reason, e.RetryAfter = helpdesk.InDoubt, helpdesk.ReasonUnreachable, retryAfter(header)
		e.Message = fmt.Sprintf("Zammad failed with status %d; its log says why.", status)
	default:
		e.Means, e.Reason = helpdesk.Stop, helpdesk.ReasonNotUnderstood
		e.Message = fmt.Sprintf("what answers at this URL does not answer as Zammad does (status %d); check the URL, which is without /api/v1.", status)
	}
	return e
}

// harmless returns Zammad's words for people, unless they might hold something of a customer.
func harmless(words string) string {
	const longest = 200
	digits := 0
	for _, r := range words {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	if words == "" || len(words) > longest || digits > 4 || strings.ContainsAny(words, "@\n") {
		return ""
	}
	return ": " + strings.TrimRight(words, ".! ")
}

func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
