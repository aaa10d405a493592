package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// SignatureHeader is the HTTP header that carries a webhook's signature.
const SignatureHeader = "X-Hub-Signature-256"

const signaturePrefix = "sha256="

// Sign returns the value of [SignatureHeader] for a body: the HMAC-SHA256 of
// its bytes keyed with the app secret, in hexadecimal.
func Sign(body, secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return signaturePrefix + hex.EncodeToString(mac.Sum(nil))
}

// VerifySignature reports whether header is the signature of the raw body under
// one of the app secrets, the current and, during a rotation, the previous one.
// Comparisons take constant time. An empty secret never verifies, so that a
// secret that failed to load does not open the door.
func VerifySignature(header string, body []byte, secrets ...[]byte) bool {
	encoded, found := strings.CutPrefix(header, signaturePrefix)
	if !found || len(encoded) != hex.EncodedLen(sha256.Size) {
		return false
	}
	signature, err := hex.DecodeString(encoded)
	if err != nil {
		return false
	}
	verified := false
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		if hmac.Equal(signature, mac.Sum(nil)) {
			verified = true
		}
	}
	return verified
}
