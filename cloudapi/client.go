package cloudapi

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// DefaultBaseURL is where Meta serves the Graph API.
	DefaultBaseURL = "https://graph.facebook.com"
	// DefaultVersion is the Graph API version that this package was written for.
	DefaultVersion = "v25.0"

	defaultUserAgent = "whatsapp-operator/0.0.0"

	// requestTimeout bounds a whole call. Meta calls the callback URL within
	// some of them, so it is longer than Meta's own patience with that.
	requestTimeout = 60 * time.Second
	// maxAnswer bounds an answer. A page of 100 phone numbers has about 100 KiB.
	maxAnswer = 1 << 20
)

// Options configures a [Client]. The zero value is usable.
type Options struct {
	// BaseURL is [DefaultBaseURL] unless told.
	BaseURL string
	// Version is [DefaultVersion] unless told.
	Version string
	// UserAgent has the form "whatsapp-operator/1.2.3".
	UserAgent string
	// RootCAs are the certificate authorities to trust, the system's if nil. It is not
	// used together with HTTPClient.
	RootCAs *x509.CertPool
	// HTTPClient replaces the default one, which has time-outs and honours
	// HTTPS_PROXY and NO_PROXY. Redirects are never followed by either.
	HTTPClient *http.Client
}

// Client calls the Graph API. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	userAgent string
	http      *http.Client
	// appSecret proves calls made with an access token, where it is not empty.
	appSecret Token
	// stall bounds how long a transfer of a file may stand still.
	stall time.Duration
}

var (
	validVersion   = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)
	validUserAgent = regexp.MustCompile(`^[A-Za-z0-9._-]+/[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$`)
)

// NewClient checks the options and returns a client. It calls nothing.
func NewClient(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the Graph base URL must look like %s, without user, query and fragment", DefaultBaseURL)
	}
	if !validVersion.MatchString(o.Version) {
		return nil, fmt.Errorf("the Graph version must look like %s, not %q", DefaultVersion, o.Version)
	}
	if !validUserAgent.MatchString(o.UserAgent) {
		return nil, fmt.Errorf("the User-Agent must look like %s, not %q", defaultUserAgent, o.UserAgent)
	}
	httpClient := defaultHTTPClient(o.RootCAs)
	if o.HTTPClient != nil {
		given := *o.HTTPClient
		httpClient = &given
	}
	// A redirect would take the token to wherever it points.
	httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: base.JoinPath(o.Version), userAgent: o.UserAgent, http: httpClient, stall: stallTimeout}, nil
}

func defaultHTTPClient(roots *x509.CertPool) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	transport.MaxIdleConnsPerHost = 16
	return &http.Client{Transport: transport, Timeout: requestTimeout}
}

// WithAppSecret returns a client that proves with every call that it knows the
// secret of the access token's app. Apps with the setting "Require App Secret"
// answer no others; an access token of another app, or a wrong secret, gives an
// error of [ClassAppSecret].
func (c *Client) WithAppSecret(secret Token) *Client {
	proving := *c
	proving.appSecret = secret
	return &proving
}

// CloseIdleConnections closes connections that are kept for later calls.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// A call is one request to the Graph API.
type call struct {
	method string
	path   []string
	query  url.Values
	// form and json are alternative bodies; both may be absent.
	form url.Values
	json any
	// token authorises the call.
	token Token
	// secrets are taken out of Meta's texts besides the token.
	secrets []Token
	// ofApp marks calls with an app's own token.
	ofApp bool
}

// do makes a call and decodes the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, in call, out any) error {
	request, err := c.request(ctx, in)
	if err != nil {
		return err
	}
	response, err := c.roundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return c.requestError(err, false)
	}
	if len(body) > maxAnswer {
		return answerError(response, fmt.Sprintf("it is longer than %d bytes", maxAnswer))
	}
	return decode(response, body, in, out)
}

func (c *Client) request(ctx context.Context, in call) (*http.Request, error) {
	target := c.base.JoinPath(in.path...)
	query := url.Values{}
	maps.Copy(query, in.query)
	if c.appSecret != "" && !in.ofApp {
		query.Set("appsecret_proof", proof(c.appSecret, in.token))
	}
	target.RawQuery = query.Encode()
	var body io.Reader = http.NoBody
	contentType := ""
	switch {
	case in.json != nil:
		encoded, err := json.Marshal(in.json)
		if err != nil {
			return nil, invalidf("the request cannot be written as JSON: %v", err)
		}
		body, contentType = bytes.NewReader(encoded), "application/json"
	case in.form != nil:
		body, contentType = strings.NewReader(in.form.Encode()), "application/x-www-form-urlencoded"
	}
	request, err := http.NewRequestWithContext(ctx, in.method, target.String(), body)
	if err != nil {
		return nil, invalidf("the request cannot be made")
	}
	request.Header.Set("Authorization", "Bearer "+string(in.token))
	request.Header.Set("User-Agent", c.userAgent)
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return request, nil
}

// proof is the HMAC-SHA256 of an access token keyed with its app's secret. It
// is good for nothing without the token, so it may be in a URL.
func proof(appSecret, token Token) string {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}

// roundTrip sends the request and notes whether any of it may have left.
func (c *Client) roundTrip(request *http.Request) (*http.Response, error) {
	if err := request.Context().Err(); err != nil {
		return nil, c.requestError(err, true)
	}
	// The request is known to be unwritten only where the transport reports its
	// progress at all, which GetConn shows.
	var traced, written atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn:      func(string) { traced.Store(true) },
		WroteHeaders: func() { written.Store(true) },
	}
	response, err := c.http.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		return nil, c.requestError(err, traced.Load() && !written.Load())
	}
	return response, nil
}

type errorBody struct {
	Error *struct {
		Message   string `json:"message"`
		Type      string `json:"type"`
		Code      *int   `json:"code"`
		Subcode   int    `json:"error_subcode"`
		UserMsg   string `json:"error_user_msg"`
		Transient bool   `json:"is_transient"`
		TraceID   string `json:"fbtrace_id"`
		Data      struct {
			Details string `json:"details"`
		} `json:"error_data"`
	} `json:"error"`
}

// decode reads an answer: Meta's error, whatever the HTTP status, or out.
func decode(response *http.Response, body []byte, in call, out any) error {
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return answerError(response, "it is a redirect, which is not followed")
	}
	var failure errorBody
	if err := json.Unmarshal(body, &failure); err != nil {
		return answerError(response, "it is not the expected JSON")
	}
	if failure.Error != nil && failure.Error.Code != nil {
		secrets := append([]Token{in.token}, in.secrets...)
		details := failure.Error.Data.Details
		if details == "" {
			details = failure.Error.UserMsg
		}
		return &Error{
			HTTPStatus: response.StatusCode,
			Code:       *failure.Error.Code,
			Subcode:    failure.Error.Subcode,
			Type:       scrub(failure.Error.Type, secrets...),
			Message:    scrub(failure.Error.Message, secrets...),
			Details:    scrub(details, secrets...),
			TraceID:    scrub(failure.Error.TraceID, secrets...),
			Transient:  failure.Error.Transient,
			RetryAfter: retryAfter(response.Header, time.Now()),
			ofApp:      in.ofApp,
		}
	}
	if response.StatusCode != http.StatusOK {
		return answerError(response, "it is a failure without an error code")
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return answerError(response, "it is JSON of an unexpected shape")
	}
	return nil
}

func answerError(response *http.Response, reason string) error {
	return &AnswerError{
		HTTPStatus: response.StatusCode,
		Reason:     reason,
		RetryAfter: retryAfter(response.Header, time.Now()),
	}
}

// succeed makes a call that answers {"success": true}.
func (c *Client) succeed(ctx context.Context, in call) error {
	var answer struct {
		Success *bool `json:"success"`
	}
	if err := c.do(ctx, in, &answer); err != nil {
		return err
	}
	if answer.Success == nil || !*answer.Success {
		return &AnswerError{HTTPStatus: http.StatusOK, Reason: `it does not say "success"`}
	}
	return nil
}

func (c *Client) requestError(err error, unwritten bool) error {
	// The text of a url.Error holds the URL, and that may hold a token.
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	return &RequestError{Host: c.base.Hostname(), Reason: reason(err), Err: err, unwritten: unwritten}
}
