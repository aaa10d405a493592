//go:build contract

package contract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

const appSecret = "0123456789abcdef0123456789abcdef"

// TestSignaturesAgree shows that the other implementation accepts what we sign,
// that both judge every other header alike, and where they do not.
func TestSignaturesAgree(t *testing.T) {
	cases := signatures(t)
	q := question{}
	for _, c := range cases {
		q.Signatures = append(q.Signatures, c.askedSignature)
	}
	theirs := ask(t, q).Signatures
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if got := webhook.VerifySignature(c.Header, c.Body, []byte(c.Secret)); got != c.ours {
				t.Errorf("we say %t, want %t", got, c.ours)
			}
			if got := theirs[c.Name]; got != c.theirs {
				t.Errorf("they say %t, want %t", got, c.theirs)
			}
		})
	}
}

type signatureCase struct {
	askedSignature

	ours, theirs bool
}

func signatures(t *testing.T) []signatureCase {
	t.Helper()
	var cases []signatureCase
	both := func(name, secret, header string, body []byte, valid bool) {
		cases = append(cases, signatureCase{askedSignature{name, secret, header, body}, valid, valid})
	}
	for _, w := range samples(t) {
		both(w.Name, appSecret, webhook.Sign(w.Body, []byte(appSecret)), w.Body, true)
	}
	vector, body := signatureVector(t)
	both("vector with escapes", vector.AppSecret, vector.Header, body, true)

	header := webhook.Sign(body, []byte(appSecret))
	mac := strings.TrimPrefix(header, "sha256=")
	both("signed with another secret", "another", header, body, false)
	both("of a body with one more byte", appSecret, header, append(body[:len(body):len(body)], '\n'), false)
	both("of an empty body", appSecret, webhook.Sign(nil, []byte(appSecret)), []byte{}, true)
	both("missing", appSecret, "", body, false)
	both("without algorithm", appSecret, mac, body, false)
	both("without value", appSecret, "sha256=", body, false)
	both("of another algorithm", appSecret, "sha1="+mac, body, false)
	both("cut", appSecret, header[:len(header)-2], body, false)
	both("not hexadecimal", appSecret, "sha256="+strings.Repeat("zz", len(mac)/2), body, false)
	both("with one digit changed", appSecret, header[:len(header)-1]+flip(header[len(header)-1]), body, false)
	both("in capitals", appSecret, "sha256="+strings.ToUpper(mac), body, true)

	// Where the other implementation is less strict: it signs with an empty
	// secret, as one that failed to load would be, and stops reading a header at
	// the second equals sign or at the first character that is not hexadecimal.
	ours := func(name, secret, header string) {
		cases = append(cases, signatureCase{askedSignature: askedSignature{name, secret, header, body}, theirs: true})
	}
	ours("with an empty secret", "", webhook.Sign(body, nil))
	ours("with a second value", appSecret, header+"=more")
	ours("with more after it", appSecret, header+"zz")
	return cases
}

// flip returns a hexadecimal digit other than the given one.
func flip(digit byte) string {
	if digit == '0' {
		return "1"
	}
	return "0"
}

type vector struct {
	AppSecret string `json:"app_secret"`
	Header    string `json:"header"`
}

func signatureVector(t *testing.T) (vector, []byte) {
	t.Helper()
	root := fixtures(t, "signature")
	described, err := os.ReadFile(filepath.Join(root, "unicode-escaped.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(described, &v); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(root, "unicode-escaped.body"))
	if err != nil {
		t.Fatal(err)
	}
	return v, body
}
