// Package load is Meta under load: signed webhooks over connections that are kept, as fast as a server answers or at
// given times. It shares the machine with what it measures, so it does no more than it must: a webhook is a copy of a
// sample with some digits replaced, and nothing is allocated for it.
package load

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of webhook.
type Kind int

// The kinds of webhooks: one customer's text message, or the status of one message that was sent.
const (
	Message Kind = iota
	Status
)

const (
	// idDigits, phoneDigits and timeDigits are the digits of a sample that are replaced.
	idDigits    = "000000000000"
	phoneDigits = "4915100000000"
	timeDigits  = "1700000000"
	// idPrefix comes before the digits of every ID, and nowhere else.
	idPrefix = "wamid.HBgNNDkxNTEwMDAwMDAwMBUCABIYFDNB"

	message = `{"object":"whatsapp_business_account","entry":[{"id":"%[1]s","changes":[{"value":{"messaging_product":"whatsapp",` +
		`"metadata":{"display_phone_number":"16315551111","phone_number_id":"%[2]s"},` +
		`"contacts":[{"profile":{"name":"Erika Mustermann"},"wa_id":"` + phoneDigits + `"}],` +
		`"messages":[{"from":"` + phoneDigits + `","id":"` + idPrefix + idDigits + `","timestamp":"` + timeDigits + `",` +
		`"text":{"body":"Good morning, my parcel 4711 has not arrived yet. Could you please look where it is? Thanks!"},"type":"text"}]},` +
		`"field":"messages"}]}]}`
	status = `{"object":"whatsapp_business_account","entry":[{"id":"%[1]s","changes":[{"value":{"messaging_product":"whatsapp",` +
		`"metadata":{"display_phone_number":"16315551111","phone_number_id":"%[2]s"},` +
		`"statuses":[{"id":"` + idPrefix + idDigits + `","status":"delivered","timestamp":"` + timeDigits + `","recipient_id":"` + phoneDigits + `",` +
		`"conversation":{"id":"7d1f5bd2a1b54c0d8f1c3c2b6f1e0a55","origin":{"type":"service"}},` +
		`"pricing":{"billable":false,"pricing_model":"PMP","category":"service","type":"free_customer_service"}}]},` +
		`"field":"messages"}]}]}`
)

// Target is the channel whose receiver is called.
type Target struct {
	// Address is the host and port.
	Address string
	// Path is the callback path.
	Path string
	// Secret is the app secret that webhooks are signed with.
	Secret string
	// BusinessAccountID and PhoneNumberID are what the webhooks are about.
	BusinessAccountID, PhoneNumberID string
}

// writer makes the requests of one connection.
type writer struct {
	mac       hash.Hash
	kinds     [2]sample
	signature []byte
}

// sample is a whole request, and where in it the parts are that change.
type sample struct {
	request, body, signature []byte
	ids, phones, times       [][]byte
}

func newWriter(t Target) *writer {
	return &writer{
		mac:   hmac.New(sha256.New, []byte(t.Secret)),
		kinds: [2]sample{Message: newSample(t, message), Status: newSample(t, status)},
	}
}

func newSample(t Target, format string) sample {
	body := fmt.Sprintf(format, t.BusinessAccountID, t.PhoneNumberID)
	unsigned := strings.Repeat("f", 2*sha256.Size)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: facebookexternalua\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nX-Hub-Signature-256: sha256=%s\r\n\r\n", t.Path, t.Address, len(body), unsigned)
	request := []byte(head + body)
	s := sample{request: request, body: request[len(head):], signature: all(request, unsigned)[0]}
	s.ids, s.phones, s.times = all(s.body, idPrefix+idDigits), all(s.body, phoneDigits), all(s.body, timeDigits)
	return s
}

// all returns the places of a text in a sample.
func all(in []byte, text string) (places [][]byte) {
	for at := 0; ; {
		next := bytes.Index(in[at:], []byte(text))
		if next < 0 {
			return places
		}
		at += next + len(text)
		places = append(places, in[at-len(text):at:at])
	}
}

// request returns a signed request, which is valid until the next.
func (w *writer) request(kind Kind, id, customer int64, at time.Time) []byte {
	s := &w.kinds[kind]
	for _, place := range s.ids {
		digits(place[len(idPrefix):], id)
	}
	for _, place := range s.phones {
		digits(place[len(place)-8:], customer)
	}
	for _, place := range s.times {
		digits(place, at.Unix())
	}
	w.mac.Reset()
	w.mac.Write(s.body)
	w.signature = w.mac.Sum(w.signature[:0])
	hex.Encode(s.signature, w.signature)
	return s.request
}

// spoiled returns a request whose signature is wrong, in its last digit.
func (w *writer) spoiled(kind Kind, id, customer int64, at time.Time) []byte {
	request := w.request(kind, id, customer, at)
	last := &w.kinds[kind].signature[2*sha256.Size-1]
	if *last == '0' {
		*last = '1'
	} else {
		*last = '0'
	}
	return request
}

// digits writes a number with leading zeros.
func digits(into []byte, n int64) {
	for i := range slices.Backward(into) {
		into[i] = byte('0' + n%10)
		n /= 10
	}
}

// IDIn finds the ID that a stored webhook, or a WhatsApp message ID, was made with.
func IDIn(stored []byte) (id int64, found bool) {
	at := bytes.Index(stored, []byte(idPrefix))
	if at < 0 || len(stored) < at+len(idPrefix)+len(idDigits) {
		return 0, false
	}
	for _, digit := range stored[at+len(idPrefix):][:len(idDigits)] {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		id = 10*id + int64(digit-'0')
	}
	return id, true
}
