package load

import (
	"bytes"
	"context"
	"errors"
	"net"
	"time"
)

// requestTimeout bounds one request, so that a server that hangs ends a benchmark.
const requestTimeout = 30 * time.Second

var errAnswer = errors.New("the answer is not understood")

// connection is a connection that is kept, for one request after the other.
type connection struct {
	net.Conn
	answer [2048]byte
}

func dial(ctx context.Context, address string) (*connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn}, nil
}

// do sends a request and returns the status of the answer.
func (c *connection) do(request []byte, now time.Time) (status int, err error) {
	if err := c.SetDeadline(now.Add(requestTimeout)); err != nil {
		return 0, err
	}
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	for have := 0; ; {
		n, err := c.Read(c.answer[have:])
		if err != nil {
			return 0, err
		}
		have += n
		status, whole, err := read(c.answer[:have])
		if err != nil || whole {
			return status, err
		}
		if have == len(c.answer) {
			return 0, errAnswer
		}
	}
}

var (
	headEnd       = []byte("\r\n\r\n")
	lengthHeader  = []byte("\r\nContent-Length: ")
	statusLine    = []byte("HTTP/1.1 ")
	statusLineEnd = len(statusLine) + 3
)

// read reads an answer, and tells whether all of it has come.
func read(answer []byte) (status int, whole bool, err error) {
	head := bytes.Index(answer, headEnd)
	if head < 0 {
		return 0, false, nil
	}
	at := bytes.Index(answer[:head], lengthHeader)
	if !bytes.HasPrefix(answer, statusLine) || at < 0 {
		return 0, false, errAnswer
	}
	length := number(answer[at+len(lengthHeader):])
	return number(answer[len(statusLine):statusLineEnd]), len(answer) >= head+len(headEnd)+length, nil
}

// number reads the digits that a text begins with.
func number(text []byte) (n int) {
	for _, c := range text {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}
