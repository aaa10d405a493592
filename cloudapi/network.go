package cloudapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// reason words a network error so that equal failures give equal texts: without
// addresses, ports and times.
func reason(err error) string {
	var (
		dns         *net.DNSError
		timeout     interface{ Timeout() bool }
		unknownCA   x509.UnknownAuthorityError
		wrongName   x509.HostnameError
		invalid     x509.CertificateInvalidError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		op          *net.OpError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the host name does not resolve"
	case errors.As(err, &dns):
		return "the name server did not answer"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it took too long"
	case errors.As(err, &unknownCA):
		return "its certificate is signed by an authority that is not trusted here"
	case errors.As(err, &wrongName):
		return "its certificate is for another host name"
	case errors.As(err, &invalid), errors.As(err, &certificate):
		return "its certificate is not valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without an answer"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to it"
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy cannot be reached"
	default:
		return "the connection failed"
	}
}

// maxRetryAfter bounds what a header may ask for. Meta's call limits are counted
// by the hour.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns how long an answer asks to wait: by the standard header,
// or by Meta's own, which gives minutes.
func retryAfter(header http.Header, now time.Time) time.Duration {
	var wait time.Duration
	if value := header.Get("Retry-After"); value != "" {
		if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
			wait = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
		} else if at, err := http.ParseTime(value); err == nil {
			wait = at.Sub(now)
		}
	}
	var usage map[string][]struct {
		MinutesToRegainAccess float64 `json:"estimated_time_to_regain_access"`
	}
	if value := header.Get("X-Business-Use-Case-Usage"); value != "" && json.Unmarshal([]byte(value), &usage) == nil {
		for _, account := range usage {
			for _, kind := range account {
				minutes := min(kind.MinutesToRegainAccess, maxRetryAfter.Minutes())
				wait = max(wait, time.Duration(minutes*float64(time.Minute)))
			}
		}
	}
	return min(max(wait, 0), maxRetryAfter)
}
