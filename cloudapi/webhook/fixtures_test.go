package webhook

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixtures returns the path of a folder of sample data, and skips the test
// where there is none.
func fixtures(tb testing.TB, folder string) string {
	tb.Helper()
	root := os.Getenv("WHATSAPP_FIXTURES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "fixtures")
	}
	path := filepath.Join(root, folder)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("SKIPPED: no sample data; set WHATSAPP_FIXTURES to its folder: %v", err)
	}
	return path
}

func samples(tb testing.TB) map[string][]byte {
	tb.Helper()
	root := fixtures(tb, "webhooks")
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no sample webhooks in %s: %v", root, err)
	}
	bodies := map[string][]byte{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		name, _ := filepath.Rel(root, file)
		bodies[filepath.ToSlash(name)] = body
	}
	return bodies
}

// counts are the messages and statuses that a sample holds, by the beginning of
// its name; one message unless listed.
var counts = []struct {
	prefix             string
	messages, statuses int
}{
	{"bsuid/bsuid-status-", 0, 1},
	{"derived/batch-3-entries-4-changes-3-messages", 3, 1},
	{"openapi-v23/post__whatsapp-webhooks__req__Group-", 0, 0},
	{"pywa/account_update", 0, 0},
	{"pywa/call_connect", 0, 0},
	{"pywa/call_status", 0, 0},
	{"pywa/call_terminate", 0, 0},
	{"pywa/message_status", 0, 1},
	{"pywa/outgoing_message", 0, 0},
	{"pywa/template_", 0, 0},
	{"pywa/user_marketing_preferences", 0, 0},
}

func TestParseReadsEverySample(t *testing.T) {
	total, messages, statuses := 0, 0, 0
	for name, body := range samples(t) {
		t.Run(name, func(t *testing.T) {
			wantMessages, wantStatuses := 1, 0
			for _, c := range counts {
				if strings.HasPrefix(name, c.prefix) {
					wantMessages, wantStatuses = c.messages, c.statuses
				}
			}
			p, err := Parse(body)
			if err != nil {
				t.Fatal(err)
			}
			if p.Messages() != wantMessages || p.Statuses() != wantStatuses {
				t.Errorf("found %d messages and %d statuses, want %d and %d", p.Messages(), p.Statuses(), wantMessages, wantStatuses)
			}
			for _, b := range p.Broken {
				t.Errorf("%s is reported as broken: %s", b.Path, b.Reason)
			}
			check(t, p)
			total, messages, statuses = total+1, messages+p.Messages(), statuses+p.Statuses()
		})
	}
	if total != 95 || messages != 55 || statuses != 9 {
		t.Errorf("read %d samples with %d messages and %d statuses, want 95, 55 and 9", total, messages, statuses)
	}
}

// check holds for every payload that is not broken.
func check(t *testing.T, p Payload) {
	t.Helper()
	for _, entry := range p.Entries {
		if entry.BusinessAccountID == "" {
			t.Error("an entry names no business account")
		}
		for _, change := range entry.Changes {
			for _, m := range change.Value.Messages {
				if m.Type == "" || m.Timestamp.IsZero() || (m.From == "" && m.FromUserID == "") {
					t.Errorf("a message lacks its type, time or sender: %+v", m)
				}
				if strings.Contains(m.Describe(), "cannot be shown here") && len(contentOf(t, m)) != 0 {
					t.Errorf("type %q has no description", m.Type)
				}
				if change.Value.Metadata.PhoneNumberID == "" {
					t.Error("a message does not say which number it is for")
				}
			}
			for _, s := range change.Value.Statuses {
				if s.Status == "" || s.Timestamp.IsZero() || (s.RecipientID == "" && s.RecipientUserID == "") {
					t.Errorf("a status lacks its kind, time or recipient: %+v", s)
				}
				if (s.Status == StatusFailed) != (len(s.Errors) > 0) {
					t.Errorf("status %q with %d errors", s.Status, len(s.Errors))
				}
			}
		}
	}
}

// contentOf returns the member of a message that its type names.
func contentOf(t *testing.T, m Message) json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(m.Raw, &members); err != nil {
		t.Fatal(err)
	}
	return members[m.Type]
}

func TestVerifySignatureAcceptsTheSampleVector(t *testing.T) {
	root := fixtures(t, "signature")
	body, err := os.ReadFile(filepath.Join(root, "unicode-escaped.body"))
	if err != nil {
		t.Fatal(err)
	}
	description, err := os.ReadFile(filepath.Join(root, "unicode-escaped.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vector struct {
		AppSecret string `json:"app_secret"`
		Header    string `json:"header"`
	}
	if err := json.Unmarshal(description, &vector); err != nil {
		t.Fatal(err)
	}
	if !VerifySignature(vector.Header, body, []byte(vector.AppSecret)) {
		t.Error("the signature of the sample vector is refused")
	}
	if got := Sign(body, []byte(vector.AppSecret)); got != vector.Header {
		t.Errorf("Sign gives %s, want %s", got, vector.Header)
	}
	var decoded any
	if err := json.Unmarshal(body, &decoded); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(decoded)
	if err != nil {
		t.Fatal(err)
	}
	if VerifySignature(vector.Header, again, []byte(vector.AppSecret)) {
		t.Error("the signature is accepted over a body that was encoded again")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"object":"whatsapp_business_account","entry":[{"id":1,"time":1,"changes":[{"field":"messages","value":{"messages":[{"id":"a","type":"text","text":{"body":"b"}},7,{"id":"c","type":"edit","edit":{"message":{"edit":{}}}}],"statuses":[{}],"errors":[{"code":"x"}]}}]}]}`))
	f.Add([]byte(`{"object":"whatsapp_business_account","entry":{"id":[]}}`))
	f.Add([]byte(`null`))
	if root := os.Getenv("WHATSAPP_FIXTURES"); root != "" {
		for _, body := range samples(f) {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Parse(body)
		if err != nil {
			if len(p.Entries) != 0 {
				t.Error("an error with entries")
			}
			return
		}
		for _, entry := range p.Entries {
			for _, change := range entry.Changes {
				for _, m := range change.Value.Messages {
					if m.ID == "" {
						t.Error("a message without id")
					}
					if m.Describe() == "" {
						t.Errorf("type %q has an empty description", m.Type)
					}
					if !json.Valid(m.Raw) {
						t.Error("the raw message is not JSON")
					}
					if year := m.Timestamp.Year(); year < 0 || year > 9999 {
						t.Errorf("a time in the year %d", year)
					}
					change.Value.ContactOf(m)
				}
				for _, s := range change.Value.Statuses {
					if s.ID == "" {
						t.Error("a status without message id")
					}
				}
			}
		}
		for _, b := range p.Broken {
			if b.Path == "" || b.Reason == "" {
				t.Errorf("a broken element without path or reason: %+v", b)
			}
		}
	})
}

func FuzzVerifySignature(f *testing.F) {
	f.Add("sha256=95e3ac5a3d37bcd29a1c3ac1b636de0fc9d39879436eea8e8b00e462101497e5", []byte(`{}`), []byte("secret"))
	f.Add(Sign([]byte("body"), []byte("key")), []byte("body"), []byte("key"))
	f.Add("", []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, header string, body, secret []byte) {
		verified := VerifySignature(header, body, secret)
		if want := len(secret) > 0 && strings.EqualFold(header, Sign(body, secret)) && strings.HasPrefix(header, "sha256="); verified != want {
			t.Errorf("verified %v, want %v", verified, want)
		}
	})
}
