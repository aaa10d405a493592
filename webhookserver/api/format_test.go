package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

func TestRepliesAreFormatted(t *testing.T) {
	b := newBench(t)
	b.open()
	for name, tc := range map[string]struct {
		reply  wire.Reply
		status int
		text   string
	}{
		"plain":                {wire.Reply{Text: "*Hi* <b>", Format: "plain"}, 200, "*Hi* <b>"},
		"left out":             {wire.Reply{Text: "**Hi**"}, 200, "**Hi**"},
		"Markdown":             {wire.Reply{Text: "**Hi**", Format: "markdown"}, 200, "*Hi*"},
		"HTML":                 {wire.Reply{Text: "<p><b>Hi</b></p>", Format: "html"}, 200, "*Hi*"},
		"unknown":              {wire.Reply{Text: "Hi", Format: "rtf"}, 400, "plain, markdown or html"},
		"only history":         {wire.Reply{Text: `<blockquote type="cite">Hi</blockquote>`, Format: "html"}, 400, "besides the quoted history"},
		"nested beyond reason": {wire.Reply{Text: strings.Repeat("<div>", 2000), Format: "html"}, 400, "too deeply"},
	} {
		body, err := json.Marshal(tc.reply)
		if err != nil {
			t.Fatal(err)
		}
		status, answer := b.do(http.MethodPost, "/v1/tickets/1/replies", "api", name, string(body))
		var got struct {
			Text  string
			Error struct{ Message string }
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		if status != tc.status || (status == 200 && got.Text != tc.text) || !strings.Contains(got.Text+got.Error.Message, tc.text) {
			t.Errorf("%s: status %d, %s", name, status, answer)
		}
	}
}
