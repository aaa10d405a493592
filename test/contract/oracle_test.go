//go:build contract

package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A question is what oracle.cjs reads. Bodies become base64.
type question struct {
	Webhooks   []askedWebhook   `json:"webhooks,omitempty"`
	Signatures []askedSignature `json:"signatures,omitempty"`
}

type askedWebhook struct {
	Name string `json:"name"`
	Body []byte `json:"body"`
}

type askedSignature struct {
	Name   string `json:"name"`
	Secret string `json:"secret"`
	Header string `json:"header"`
	Body   []byte `json:"body"`
}

// An answer is what oracle.cjs writes, by the names in the question.
type answer struct {
	Webhooks   map[string]normalized `json:"webhooks"`
	Signatures map[string]bool       `json:"signatures"`
}

// ask puts a question to @kapso/whatsapp-cloud-api.
func ask(tb testing.TB, q question) answer {
	tb.Helper()
	installed(tb, "@kapso", "whatsapp-cloud-api")
	asked, err := json.Marshal(q)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "node", "oracle.cjs")
	command.Env = append(os.Environ(), "NODE_PATH="+filepath.Clean(installed(tb)))
	command.Stdin = bytes.NewReader(asked)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	said, err := command.Output()
	if err != nil {
		tb.Fatalf("node oracle.cjs: %v\n%s", err, stderr.String())
	}
	var a answer
	if err := json.Unmarshal(said, &a); err != nil {
		tb.Fatalf("the answer of oracle.cjs cannot be read: %v", err)
	}
	if len(a.Webhooks) != len(q.Webhooks) || len(a.Signatures) != len(q.Signatures) {
		tb.Fatalf("asked about %d webhooks and %d signatures, got answers for %d and %d; are the names unique?",
			len(q.Webhooks), len(q.Signatures), len(a.Webhooks), len(a.Signatures))
	}
	return a
}
