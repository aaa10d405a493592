package webhookserver_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// fixtures returns the sample webhooks by name.
func fixtures(t *testing.T) map[string][]byte {
	t.Helper()
	dir := os.Getenv("WHATSAPP_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "fixtures")
	}
	names, err := filepath.Glob(filepath.Join(dir, "webhooks", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Skip("SKIPPED: there are no sample webhooks; set WHATSAPP_FIXTURES to where they are")
	}
	bodies := map[string][]byte{}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bodies[filepath.Join(filepath.Base(filepath.Dir(name)), filepath.Base(name))] = body
	}
	return bodies
}

// parts returns the webhooks in a sample: one file holds several, by name, as no webhook does.
func parts(body []byte) [][]byte {
	var named map[string]json.RawMessage
	if json.Unmarshal(body, &named) != nil || named["object"] != nil || named["entry"] != nil {
		return [][]byte{body}
	}
	var list [][]byte
	for _, part := range named {
		list = append(list, part)
	}
	return list
}

func TestEverySampleWebhookIsAcknowledgedAndProcessed(t *testing.T) {
	samples := fixtures(t)
	r := newReceiver(t)
	r.start()
	posted := 0
	for name, body := range samples {
		for _, part := range append(parts(body), body) {
			posted++
			if status := r.post(part); status != http.StatusOK {
				t.Errorf("%s: status %d", name, status)
			}
		}
	}
	r.eventually("nothing is left to process", func() bool { return r.status().Backlog == 0 })
	t.Logf("%d webhooks of %d samples", posted, len(samples))
}
