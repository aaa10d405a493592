// Package probe makes Meta's handshake through a channel's public callback URL, and says in which way it failed. It
// reports classes of failures and never what the other side answered.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Problem is the way in which a handshake failed.
type Problem string

// The problems, from the first step of a request to the last.
const (
	NameNotResolved    Problem = "NameNotResolved"
	AddressNotAllowed  Problem = "AddressNotAllowed"
	ConnectionFailed   Problem = "ConnectionFailed"
	TLSFailed          Problem = "TLSFailed"
	TimedOut           Problem = "TimedOut"
	Redirected         Problem = "Redirected"
	UnexpectedStatus   Problem = "UnexpectedStatus"
	VerifyTokenRefused Problem = "VerifyTokenRefused"
	WrongAnswer        Problem = "WrongAnswer"
)

// Error is a handshake that failed. Its text is the same for the same failure, and holds nothing of the answer but the
// status code.
type Error struct {
	Problem Problem
	text    string
}

func (e *Error) Error() string { return e.text }

const (
	// timeout bounds the whole handshake. Meta is hardly more patient.
	timeout = 10 * time.Second
	// lookupTimeout bounds the look where a hostname leads that is called through a proxy.
	lookupTimeout = 2 * time.Second
	// maxBody is more than any challenge.
	maxBody = 4 << 10
)

// errAddressNotAllowed ends a dial to an address that is not probed.
var errAddressNotAllowed = errors.New("the address is not allowed")

// Options configures a Prober. The zero value is usable.
type Options struct {
	// RootCAs are the authorities to trust; the system's if nil.
	RootCAs *x509.CertPool
	// AllowLoopback lets a hostname lead to this host itself, for tests.
	AllowLoopback bool
	// DialContext replaces the dialer, for tests. Addresses are then not checked.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy says which proxy a request goes through, if any; HTTPS_PROXY and NO_PROXY if nil.
	Proxy func(*http.Request) (*url.URL, error)
}

// Prober makes handshakes. It is safe for concurrent use.
type Prober struct {
	proxy         func(*http.Request) (*url.URL, error)
	allowLoopback bool
	// direct checks the address that it dials, and proxied dials the proxy, which whoever runs the operator chose.
	direct, proxied *http.Client
}

// New returns a Prober. It honours HTTPS_PROXY and NO_PROXY, as all calls to the outside do.
func New(o Options) *Prober {
	dialer := &net.Dialer{Timeout: 5 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return checkAddress(address, o.AllowLoopback)
	}}
	guarded, free := dialer.DialContext, (&net.Dialer{Timeout: dialer.Timeout}).DialContext
	if o.DialContext != nil {
		guarded, free = o.DialContext, o.DialContext
	}
	p := &Prober{proxy: o.Proxy, allowLoopback: o.AllowLoopback}
	if p.proxy == nil {
		p.proxy = http.ProxyFromEnvironment
	}
	p.direct, p.proxied = newClient(o.RootCAs, nil, guarded), newClient(o.RootCAs, p.proxy, free)
	return p
}

func newClient(
	roots *x509.CertPool, proxy func(*http.Request) (*url.URL, error), dial func(ctx context.Context, network, address string) (net.Conn, error),
) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 proxy,
			DialContext:           dial,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: timeout,
			// A probe tells about a new connection, as Meta's call will be one.
			DisableKeepAlives: true,
		},
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// do sends a request, through the proxy where there is one for it. A proxy may stand where a hostname must not lead, but what it
// is asked for must not lead there either. A name that only the proxy can resolve is the proxy's to judge.
func (p *Prober) do(request *http.Request) (*http.Response, error) {
	via, err := p.proxy(request)
	if err != nil {
		return nil, err
	}
	if via == nil {
		return p.direct.Do(request)
	}
	ctx, cancel := context.WithTimeout(request.Context(), lookupTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", request.URL.Hostname())
	if err != nil {
		addresses = nil
	}
	for _, address := range addresses {
		if err := checkAddress(netip.AddrPortFrom(address, 443).String(), p.allowLoopback); err != nil {
			return nil, err
		}
	}
	return p.proxied.Do(request)
}

// checkAddress refuses addresses that lead to the node or to nobody: a channel's hostname must not make the operator
// call a metadata service.
func checkAddress(address string, allowLoopback bool) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return errAddressNotAllowed
	}
	ip := parsed.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || (ip.IsLoopback() && !allowLoopback) {
		return errAddressNotAllowed
	}
	return nil
}

// Probe makes a handshake and returns nil, or an *Error.
func (p *Prober) Probe(ctx context.Context, callbackURL, verifyToken, challenge string) error {
	target, err := url.Parse(callbackURL)
	if err != nil {
		return &Error{NameNotResolved, "the callback URL is not a URL"}
	}
	target.RawQuery = url.Values{
		"hub.mode":         {"subscribe"},
		"hub.challenge":    {challenge},
		"hub.verify_token": {verifyToken},
	}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return &Error{NameNotResolved, "the callback URL is not a URL"}
	}
	response, err := p.do(request)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return classify(err)
	}
	return judge(response.StatusCode, strings.TrimSpace(string(body)) == challenge)
}

func judge(status int, echoed bool) error {
	switch {
	case status == http.StatusOK && echoed:
		return nil
	case status == http.StatusOK:
		return &Error{WrongAnswer, "something answered with 200 and without the challenge, so it is not the receiver; check where the hostname and path are routed"}
	case status >= 300 && status < 400:
		return &Error{Redirected, fmt.Sprintf("the answer was a redirect (HTTP status %d), which Meta does not follow; route the path straight to the receiver", status)}
	case status == http.StatusForbidden:
		return &Error{VerifyTokenRefused, "the answer was HTTP status 403: the other side has another verify token, or is not this channel's receiver"}
	case status == http.StatusNotFound:
		return &Error{UnexpectedStatus, "the answer was HTTP status 404: the hostname answers, but the path is not routed to the receiver"}
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		return &Error{UnexpectedStatus, fmt.Sprintf("the answer was HTTP status %d: what routes the hostname does not reach the receiver", status)}
	}
	return &Error{UnexpectedStatus, fmt.Sprintf("the answer was HTTP status %d instead of 200", status)}
}

// classify words a network error without addresses, ports and the URL, which holds the verify token.
func classify(err error) error {
	var (
		dns       *net.DNSError
		late      interface{ Timeout() bool }
		unknownCA x509.UnknownAuthorityError
		wrongName x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.Is(err, errAddressNotAllowed):
		return &Error{AddressNotAllowed, "the hostname leads to a loopback, link-local or multicast address, which Meta cannot reach and the operator does not try"}
	case errors.As(err, &dns) && !dns.IsTimeout:
		return &Error{NameNotResolved, "DNS does not know the hostname"}
	case errors.As(err, &dns):
		return &Error{TimedOut, "DNS did not answer in time"}
	case errors.As(err, &unknownCA):
		return &Error{TLSFailed, "the certificate is signed by an authority that is not trusted here"}
	case errors.As(err, &wrongName):
		return &Error{TLSFailed, "the certificate is for another name"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return &Error{TLSFailed, "the certificate is expired or not yet valid"}
	case errors.As(err, &invalid), errors.As(err, &verify):
		return &Error{TLSFailed, "the certificate is not valid"}
	case errors.As(err, &record):
		return &Error{TLSFailed, "the other side does not speak TLS"}
	case errors.As(err, &alert):
		return &Error{TLSFailed, "the other side refused the TLS handshake"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return &Error{TimedOut, "no answer came in time"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{ConnectionFailed, "the connection was refused"}
	}
	return &Error{ConnectionFailed, "no connection came about, or it ended without an answer"}
}
