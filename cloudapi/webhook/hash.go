package webhook

import (
	"encoding/base64"
	"encoding/hex"
)

// HexHash returns a SHA-256 hash in hexadecimal, which Meta writes in base64 in
// webhooks and in hexadecimal elsewhere. It is empty for what is neither.
func HexHash(hash string) string {
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString,
	} {
		if sum, err := decode(hash); err == nil && len(sum) == 32 {
			return hex.EncodeToString(sum)
		}
	}
	return ""
}
