package webhook_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

func TestHashes(t *testing.T) {
	sum := sha256.Sum256([]byte("a photo"))
	want := hex.EncodeToString(sum[:])
	for _, hash := range []string{want, strings.ToUpper(want), base64.StdEncoding.EncodeToString(sum[:]), base64.RawStdEncoding.EncodeToString(sum[:])} {
		if got := webhook.HexHash(hash); got != want {
			t.Errorf("HexHash(%q) = %q", hash, got)
		}
	}
	if got := webhook.HexHash("rubbish"); got != "" {
		t.Errorf("rubbish: %q", got)
	}
}
