package cloudevents

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	ce "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/whatsapp-operator/whatsapp-operator/version"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

const (
	// maxAnswer is how much of an answer is read, so that its connection can be used again.
	maxAnswer = 64 << 10
	// maxRetryAfter bounds how long an endpoint may ask to wait.
	maxRetryAfter = 15 * time.Minute
	traceParent   = "traceparent"
)

// event is what an Event is made from.
type event struct {
	kind         string
	key          string
	conversation string
	at           time.Time
	data         Data
}

func newClient(authorities *x509.CertPool) *http.Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities},
	}
	// An event that was sent elsewhere would show the Authorization header there.
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// post posts an event, and returns nil when the endpoint has taken it.
func (d *Desk) post(ctx context.Context, e event) error {
	request, err := d.request(ctx, e)
	if err == nil {
		err = d.do(request)
	}
	var failure *helpdesk.Error
	errors.As(err, &failure)
	d.mu.Lock()
	d.failure = failure
	d.mu.Unlock()
	return err
}

func (d *Desk) request(ctx context.Context, e event) (*http.Request, error) {
	if e.kind == "" || e.key == "" {
		return nil, refused("This version knows no event for this.", nil)
	}
	e.data.Ticket.Conversation = e.conversation
	out := ce.New(ce.CloudEventsVersionV1)
	out.SetID(digest(e.key))
	out.SetSource(path.Join("/apis/whatsapp-operator.io/v1alpha1/namespaces", d.Channel.Namespace, "whatsappchannels", d.Channel.Name))
	out.SetType(e.kind)
	out.SetSubject(e.conversation)
	out.SetTime(e.at.UTC())
	// All attempts to post an event are of one trace.
	parent := "00-" + digest("trace/" + e.key)[:32] + "-" + span() + "-01"
	out.SetExtension(traceParent, parent)
	if err := out.SetData(ce.ApplicationJSON, e.data); err != nil {
		return nil, refused("The event could not be written.", err)
	}
	if err := out.Validate(); err != nil {
		return nil, refused("The event is not a CloudEvent.", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Channel.Helpdesk.CloudEvents.URL, http.NoBody)
	if err != nil {
		return nil, refused("The endpoint's URL cannot be used.", err)
	}
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&out), request); err != nil {
		return nil, refused("The event could not be written.", err)
	}
	request.Header.Set(traceParent, parent)
	d.introduce(request)
	return request, nil
}

// introduce says who asks.
func (d *Desk) introduce(r *http.Request) {
	r.Header.Set("User-Agent", version.UserAgent())
	if d.Authorization != "" {
		r.Header.Set("Authorization", d.Authorization)
	}
}

// digest names something by what nobody can read it from: keys hold message IDs, and those hold phone numbers.
func digest(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:16])
}

func span() string {
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

func (d *Desk) do(r *http.Request) error {
	response, err := d.client.Do(r)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return nil
	}
	failure := &helpdesk.Error{
		Means: helpdesk.NotDone, Reason: helpdesk.ReasonRejected, RetryAfter: retryAfter(response.Header),
		Message: fmt.Sprintf("The endpoint for CloudEvents answers %d %s to events, and gets them again until it takes them.",
			response.StatusCode, http.StatusText(response.StatusCode)),
	}
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		failure.Means, failure.Reason = helpdesk.Stop, helpdesk.ReasonTokenRefused
		failure.Message = fmt.Sprintf("The endpoint for CloudEvents answers %d: it does not accept the Authorization header. Put the right value into the Secret that spec.helpdesk.cloudEvents.authSecretRef names.", code)
	case code == http.StatusTooManyRequests:
		failure.Reason = helpdesk.ReasonThrottled
		failure.Message = "The endpoint for CloudEvents asks to wait."
	case code >= 300 && code < 400:
		failure.Message = fmt.Sprintf("The endpoint for CloudEvents answers %d, which leads elsewhere. Set spec.helpdesk.cloudEvents.url to where it leads.", code)
	}
	return failure
}

// unreachable says of an error of the network whether the event can have arrived. The error itself may name what it
// must not.
func unreachable(err error) error {
	return &helpdesk.Error{
		Means: helpdesk.InDoubt, Reason: helpdesk.ReasonUnreachable, Err: err,
		Message: "The endpoint for CloudEvents does not answer. See that it runs, that its name can be resolved and its certificate is trusted, and that the network lets the receiver reach it.",
	}
}

func refused(message string, err error) error {
	return &helpdesk.Error{Means: helpdesk.Refused, Reason: helpdesk.ReasonRejected, Message: message, Err: err}
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// Check implements helpdesk.Helpdesk. It posts nothing: any answer shows that something is there, and the latest event
// shows whether that takes events.
func (d *Desk) Check(ctx context.Context) helpdesk.Health {
	request, err := http.NewRequestWithContext(ctx, http.MethodOptions, d.Channel.Helpdesk.CloudEvents.URL, http.NoBody)
	if err != nil {
		return unwell(refused("The endpoint's URL cannot be used.", err))
	}
	d.introduce(request)
	response, err := d.client.Do(request)
	if err != nil {
		return unwell(unreachable(err))
	}
	_ = response.Body.Close()
	switch response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return unwell(unreachable(nil))
	}
	d.mu.Lock()
	failure := d.failure
	d.mu.Unlock()
	if failure != nil {
		return unwell(failure)
	}
	return helpdesk.Health{Ready: true, Reason: helpdesk.ReasonReady, Message: "The endpoint for CloudEvents answers, and took the latest event, if there was one."}
}

func unwell(err error) helpdesk.Health {
	var failure *helpdesk.Error
	if !errors.As(err, &failure) {
		return helpdesk.Health{Reason: helpdesk.ReasonNotUnderstood, Message: err.Error()}
	}
	return helpdesk.Health{Reason: failure.Reason, Message: failure.Message}
}
