package zammad

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Zammad signs with nothing else.
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// maxEvent bounds the body of a call, in bytes: an article has at most 1.5 million characters.
	maxEvent = 16 << 20
	// maxRemembered is how many calls are remembered, so that a repeated one costs nothing.
	maxRemembered = 10_000
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
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if !signed(r.Header.Get("X-Hub-Signature"), body, d.secret) {
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

// signed checks a signature, in constant time.
func signed(header string, body, secret []byte) bool {
	given, err := hex.DecodeString(strings.TrimPrefix(header, "sha1="))
	if err != nil || !strings.HasPrefix(header, "sha1=") || len(secret) == 0 {
		return false
	}
	mac := hmac.New(sha1.New, secret)
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
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
