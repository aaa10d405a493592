package edge

import (
	"errors"
	"io"
	"sync"
)

const (
	// firstRead is the size of a new buffer: webhooks are mostly below 1 KiB.
	firstRead = 4 << 10
	// maxPooled bounds what idle buffers hold on to.
	maxPooled = 64 << 10
)

var (
	errTooLarge = errors.New("the body is too large")
	errBusy     = errors.New("too much is being received")
)

// body is a buffer for one request.
type body struct{ bytes []byte }

var bodies = sync.Pool{New: func() any { return &body{bytes: make([]byte, 0, firstRead)} }}

func getBody() *body {
	b := bodies.Get().(*body)
	b.bytes = b.bytes[:0]
	return b
}

func putBody(b *body) {
	if cap(b.bytes) <= maxPooled {
		bodies.Put(b)
	}
}

// read reads a whole body. What it holds of the limit on bodies in flight is taken, the error notwithstanding. It
// grows with what really arrives: an announced length would let callers reserve memory without sending anything.
func (b *body) read(from io.Reader, of *share) error {
	if !of.take(int64(cap(b.bytes))) {
		return errBusy
	}
	for {
		if len(b.bytes) == cap(b.bytes) {
			if len(b.bytes) > MaxBody {
				return errTooLarge
			}
			// One byte more than the limit tells a body that is too large from one that just fits.
			grown := min(2*cap(b.bytes), MaxBody+1)
			if !of.take(int64(grown - cap(b.bytes))) {
				return errBusy
			}
			b.bytes = append(make([]byte, 0, grown), b.bytes...)
		}
		n, err := from.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case err == io.EOF && len(b.bytes) > MaxBody, err == nil && len(b.bytes) > MaxBody:
			return errTooLarge
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
