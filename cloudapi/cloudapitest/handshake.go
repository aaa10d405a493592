package cloudapitest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// handshake calls a callback URL as Meta does before it accepts one: the URL
// must answer a random challenge with status 200 and nothing else.
func (s *Server) handshake(ctx context.Context, callbackURL, verifyToken string) *graphError {
	if verifyToken == "" {
		return badParameter("The parameter verify_token is required")
	}
	target, err := url.Parse(callbackURL)
	if err != nil {
		return badParameter("The callback URL is not valid")
	}
	challenge := randomDigits(10)
	query := target.Query()
	query.Set("hub.mode", "subscribe")
	query.Set("hub.challenge", challenge)
	query.Set("hub.verify_token", verifyToken)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return badParameter("The callback URL is not valid")
	}
	request.Header.Set("User-Agent", callbackUserAgent)
	response, err := s.callbacks.Do(request)
	if err != nil {
		return verificationFailed(curlError(err))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return verificationFailed(fmt.Sprintf("HTTP Status Code = %d; HTTP Message = %s",
			response.StatusCode, http.StatusText(response.StatusCode)))
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1024))
	if err != nil {
		return verificationFailed(curlError(err))
	}
	if string(answer) != challenge {
		return verificationFailed("the response does not match the challenge")
	}
	return nil
}

// callbackUserAgent is how Meta's calls to callback URLs present themselves.
const callbackUserAgent = "facebookexternalua"

func verificationFailed(why string) *graphError {
	return &graphError{status: http.StatusBadRequest, code: 2200, kind: oauthException,
		message: "(#2200) Callback verification failed with the following errors: " + why}
}

// curlError words a network error with the numbers that Meta's answers have.
func curlError(err error) string {
	var (
		dns         *net.DNSError
		timeout     interface{ Timeout() bool }
		certificate *tls.CertificateVerificationError
		unknownCA   x509.UnknownAuthorityError
		record      tls.RecordHeaderError
	)
	number, text := 56, "Failure when receiving data from the peer"
	switch {
	case errors.As(err, &dns):
		number, text = 6, "Could not resolve host"
	case errors.As(err, &timeout) && timeout.Timeout():
		number, text = 28, "Operation timed out"
	case errors.As(err, &certificate), errors.As(err, &unknownCA):
		number, text = 60, "SSL certificate problem"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		number, text = 35, "SSL connect error"
	case errors.Is(err, syscall.ECONNREFUSED):
		number, text = 7, "Failed to connect"
	case errors.Is(err, io.EOF):
		number, text = 52, "Empty reply from server"
	}
	return fmt.Sprintf("curl_errno = %d; curl_error = %s", number, text)
}
