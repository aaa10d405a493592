package zammadtest_test

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

var md5OfWamid1 = func() string {
	sum := md5.Sum([]byte("wamid.1"))
	return hex.EncodeToString(sum[:])
}()

func isTrue(value any) bool {
	b, is := value.(bool)
	return is && b
}

func jsonNumber(value any) string {
	n, _ := value.(float64)
	return strconv.Itoa(int(n))
}

// fixture reads one of Zammad's own examples.
func fixture(t *testing.T, name string) []byte {
	t.Helper()
	dir := cmp.Or(os.Getenv("WHATSAPP_FIXTURES"), "../../../../../shared/fixtures")
	content, err := os.ReadFile(filepath.Join(dir, "zammad", name))
	if err != nil {
		t.Skipf("skipped: set WHATSAPP_FIXTURES to the directory of the fixtures to compare with Zammad's own examples (%v)", err)
	}
	return content
}

func example(t *testing.T, name string) (decoded any) {
	t.Helper()
	if err := json.Unmarshal(fixture(t, name), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// sameShape checks that an answer has the members of an example, of the same kinds. null fits everything.
func sameShape(t *testing.T, at string, want, got any) {
	t.Helper()
	if want == nil || got == nil {
		return
	}
	if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
		t.Errorf("%s is a %T, want a %T", at, got, want)
		return
	}
	switch want := want.(type) {
	case object:
		for name, value := range want {
			is, has := got.(object)[name]
			if !has {
				t.Errorf("%s lacks %s", at, name)
				continue
			}
			sameShape(t, at+"."+name, value, is)
		}
	case []any:
		if list := got.([]any); len(want) > 0 && len(list) > 0 {
			sameShape(t, at+"[0]", want[0], list[0])
		}
	}
}

func TestAnswersAreAsInTheDocumentation(t *testing.T) {
	w := newWorld(t)
	w.AddCustomer(zammadtest.Customer{Login: "david@example.com", Firstname: "David"})
	_, opened := w.call("POST", "/tickets", example(t, "zammad-api-ticket-create-request.json"))
	sameShape(t, "ticket", example(t, "zammad-api-ticket-create-response-201.json"), opened)

	request := example(t, "zammad-api-article-create-attachment-request.json").(object)
	request["ticket_id"] = opened.(object)["id"]
	_, written := w.call("POST", "/ticket_articles", request)
	sameShape(t, "article", example(t, "zammad-api-article-create-attachment-response-201.json"), written)
	if size := written.(object)["attachments"].([]any)[0].(object)["size"]; size != "19" {
		t.Errorf("the attachment has size %v", size)
	}
	_, list := w.call("GET", "/ticket_articles/by_ticket/"+jsonNumber(opened.(object)["id"]), nil)
	sameShape(t, "articles", example(t, "zammad-api-articles-by-ticket.json"), list)

	_, states := w.call("GET", "/ticket_states", nil)
	for i, want := range example(t, "zammad-api-ticket-states-list.json").([]any) {
		is := states.([]any)[i].(object)
		sameShape(t, "state", want, is)
		for _, name := range []string{"id", "name", "state_type_id", "default_create", "default_follow_up", "active", "next_state_id", "ignore_escalation"} {
			if is[name] != want.(object)[name] {
				t.Errorf("state %v: %s is %v, want %v", want.(object)["name"], name, is[name], want.(object)[name])
			}
		}
	}
	w.token = w.IssueToken(w.agent, "admin.group")
	_, groups := w.call("GET", "/groups", nil)
	sameShape(t, "groups", example(t, "zammad-api-groups-list.json"), groups)
}

func TestWebhooksAreSignedAsInTheExample(t *testing.T) {
	headers := example(t, "zammad-trigger-webhook-headers.json").(object)
	body := fixture(t, headers["file"].(string))
	want := headers["headers"].(object)["X-Hub-Signature"]
	if got := zammadtest.Sign(body, headers["signature_token"].(string)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}
