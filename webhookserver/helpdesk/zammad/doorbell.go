package zammad

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Zammad signs with nothing else.
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// maxRemembered is how many calls are remembered, so that a repeated one costs nothing.
	maxRemembered = 10_000
	// callAgain is what Zammad is asked to wait for when a call cannot be received, in seconds.
	callAgain = "5"
)

// doorbell takes Zammad's calls. All that is taken from one is which ticket to read: a call that somebody else could
// have made, or made twice, does no more than that.
type doorbell struct {
	helpdesk *Helpdesk
	secret   []byte
	// rang tells that a call came with the right signature, so that somebody set it up.
	rang atomic.Bool

	mu        sync.Mutex
	delivered map[string]bool
}

// ServeHTTP implements http.Handler. A call is answered 200 as soon as its ticket waits to be read: what is lost when
// the process ends now, the sweep finds.
func (d *doorbell) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	signature, ok := signatureOf(r.Header)
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		turnAway(w, err)
		return
	}
	if !signed(signature, body, d.secret) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	d.rang.Store(true)
	var event struct {
		Ticket struct {
			ID int `json:"id"`
		} `json:"ticket"`
	}
	// What is signed and cannot be read would not be readable the next time either.
	if json.Unmarshal(body, &event) == nil && event.Ticket.ID > 0 && d.fresh(r.Header.Get("X-Zammad-Delivery")) {
		d.helpdesk.queue.add(strconv.Itoa(event.Ticket.ID))
	}
	w.WriteHeader(http.StatusOK)
}

// turnAway answers a call whose body could not be read.
func turnAway(w http.ResponseWriter, err error) {
	switch tooLarge := new(http.MaxBytesError); {
	case errors.As(err, &tooLarge):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		w.WriteHeader(http.StatusBadRequest)
	default:
		w.Header().Set("Retry-After", callAgain)
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// signatureOf returns the signature that a call shows; false where it shows none that could be right, so that its body is not
// worth receiving.
func signatureOf(header http.Header) ([]byte, bool) {
	text, ok := strings.CutPrefix(header.Get("X-Hub-Signature"), "sha1=")
	if !ok {
		return nil, false
	}
	signature, err := hex.DecodeString(text)
	return signature, err == nil && len(signature) == sha1.Size
}

// signed checks a signature, in constant time.
func signed(signature, body, secret []byte) bool {
	if len(secret) == 0 {
		return false
	}
	mac := hmac.New(sha1.New, secret)
	mac.Write(body)
	return hmac.Equal(signature, mac.Sum(nil))
}

// fresh tells whether a delivery did not come before. One without an ID always did not.
func (d *doorbell) fresh(delivery string) bool {
	if delivery == "" {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.delivered[delivery] {
		return false
	}
	if len(d.delivered) >= maxRemembered {
		clear(d.delivered)
	}
	d.delivered[delivery] = true
	return true
}
