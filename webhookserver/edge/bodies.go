package edge

import (
	"io"
	"net/http"
	"sync/atomic"
)

// MaxInFlight bounds the bodies that are being received or worked on at the same time, in bytes.
const MaxInFlight = 16 << 20

// Bodies counts the bytes that the bodies of a process hold while they are received and worked on, whoever sent them. The
// zero value is ready to use.
type Bodies struct{ inFlight atomic.Int64 }

// share is what one request holds of the limit.
type share struct {
	of    *Bodies
	taken int64
}

// take takes more of the limit, and reports whether it was there. What was not is taken all the same, until give.
func (s *share) take(n int64) bool {
	s.taken += n
	return s.of.inFlight.Add(n) <= MaxInFlight
}

// give gives everything back.
func (s *share) give() {
	s.of.inFlight.Add(-s.taken)
	s.taken = 0
}

// Bound returns a request for a handler that is not this package's, whose body can be read up to MaxBody and as far as the limit
// on bodies in flight allows. Reading fails with an *http.MaxBytesError where the body is too large, and with another error
// where too much is being received. What is not read counts nothing. The caller calls done when the request is answered.
func (b *Bodies) Bound(w http.ResponseWriter, r *http.Request) (bound *http.Request, done func()) {
	body := &bounded{ReadCloser: http.MaxBytesReader(w, r.Body, MaxBody), share: share{of: b}}
	// The server answers before a large body came only as long as the request that it gave away has the body it made.
	bound = r.WithContext(r.Context())
	bound.Body = body
	return bound, body.share.give
}

// bounded is a body that counts as it is read.
type bounded struct {
	io.ReadCloser
	share share
}

// gathering is how many bytes are held for each byte that is read: whoever gathers a body needs the old buffer and the new
// one whenever a buffer grows.
const gathering = 2

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if !b.share.take(int64(n) * gathering) {
		return n, errBusy
	}
	return n, err
}
