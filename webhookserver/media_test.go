package webhookserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

var (
	png  = append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte("picture "), 100)...)
	pdf  = append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte("document "), 100)...)
	opus = append([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x13OpusHead\x01\x01"), bytes.Repeat([]byte("sound "), 100)...)
)

// part is a file or a field of a form.
type part struct {
	field, name, mimeType string
	content               []byte
}

func text(value string) part   { return part{field: "text", content: []byte(value)} }
func format(value string) part { return part{field: "format", content: []byte(value)} }

// replyWith posts a reply as a form.
func (r *receiver) replyWith(key string, parts ...part) (status int, answer string) {
	r.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q", p.field))
		if p.name != "" {
			header.Set("Content-Disposition", multipart.FileContentDisposition("file", p.name))
		}
		if p.mimeType != "" {
			header.Set("Content-Type", p.mimeType)
		}
		w, err := form.CreatePart(header)
		if err == nil {
			_, err = w.Write(p.content)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		r.t.Fatal(err)
	}
	status, _, answer = r.do(http.MethodPost, "http://"+r.server.PrivateAddr().String()+"/v1/tickets/1/replies", map[string]string{
		"Authorization": "Bearer " + apiToken, wire.IdempotencyKey: key, "Content-Type": form.FormDataContentType(),
	}, body.Bytes())
	return status, answer
}

func (r *receiver) get(path string) (int, http.Header, string) {
	r.t.Helper()
	return r.do(http.MethodGet, "http://"+r.server.PrivateAddr().String()+path, map[string]string{"Authorization": "Bearer " + apiToken}, nil)
}

// answer is the agent's article.
func (r *receiver) answer() wire.Article {
	r.t.Helper()
	for _, a := range r.ticket(1).Articles {
		if a.Author == "agent" {
			return a
		}
	}
	r.t.Fatal("no agent has answered")
	return wire.Article{}
}

func (r *receiver) files() int {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dataDir, "media"))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(entries)
}

func TestACustomersFileIsOnTheTicket(t *testing.T) {
	r := newReceiver(t)
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	_, broken := customer.SendsFile(r.number.ID, cloudapitest.File{
		Kind: "document", MIMEType: "application/pdf", Name: "../bill.pdf", Caption: "My bill", Content: pdf, CutAfter: 10,
	})
	customer.Says(r.number.ID, customerText)
	r.eventually("both messages", func() bool { return len(r.tickets()) == 1 && len(r.ticket(1).Articles) == 3 })
	first := r.ticket(1).Articles[0]
	if !strings.Contains(first.Text, "My bill") || len(first.Attachments) != 1 || first.Attachments[0].State != "pending" {
		t.Fatalf("the first article: %+v", first)
	}
	path := fmt.Sprintf("/v1/tickets/1/attachments/%s", first.Attachments[0].ID)
	if status, _, answer := r.get(path); status != http.StatusNotFound || !strings.Contains(answer, "still being fetched") {
		t.Errorf("before it is there: %d, %s", status, answer)
	}
	whole, _ := r.meta.Media(broken)
	whole.CutAfter = 0
	r.meta.ReplaceMedia(broken, whole)
	r.eventually("the file", func() bool { return r.ticket(1).Articles[0].Attachments[0].State == "kept" })
	shown := r.ticket(1).Articles[0].Attachments[0]
	if shown.Name != "bill.pdf" || shown.Kind != "document" || shown.Size != int64(len(pdf)) || shown.Path != path {
		t.Errorf("the attachment: %+v", shown)
	}
	status, header, content := r.get(path)
	if status != http.StatusOK || content != string(pdf) || header.Get("Content-Type") != "application/pdf" ||
		header.Get("Content-Disposition") != "attachment; filename=bill.pdf" || !strings.HasPrefix(header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the file: %d, %v, %d bytes", status, header, len(content))
	}
	for _, other := range []string{"/v1/tickets/2/attachments/" + shown.ID, "/v1/tickets/1/attachments/" + strings.Repeat("0", 32), "/v1/tickets/1/attachments/..%2f..%2fstore.db"} {
		if status, _, _ := r.get(other); status != http.StatusNotFound {
			t.Errorf("%s: status %d", other, status)
		}
	}
	if status, _, _ := r.do(http.MethodGet, "http://"+r.server.PrivateAddr().String()+path, map[string]string{"Authorization": "Bearer " + statusToken}, nil); status != http.StatusForbidden {
		t.Errorf("with the status token: %d", status)
	}
}

func TestAnAgentsFilesAreSentInOrder(t *testing.T) {
	r := newReceiver(t)
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("the welcome", func() bool { return len(customer.Received()) == 1 })
	parts := []part{
		text("<b>" + agentText + "</b>"), format("html"),
		{name: "photo.png", mimeType: "image/png", content: png},
		{name: "voice.ogg", content: opus},
		{name: "bill.pdf", mimeType: "application/octet-stream", content: pdf},
	}
	for range 2 {
		status, answer := r.replyWith("k", parts...)
		var written wire.Article
		if err := json.Unmarshal([]byte(answer), &written); err != nil || status != http.StatusOK || len(written.Attachments) != 3 {
			t.Fatalf("status %d, %s", status, answer)
		}
	}
	r.eventually("the reply", func() bool { return len(customer.Received()) == 4 })
	var got []string
	for _, m := range customer.Received()[1:] {
		file, _ := r.meta.Media(m.MediaID)
		got = append(got, fmt.Sprintf("%s %q %q %d", m.Type, m.Caption, m.Filename, len(file.Content)))
	}
	want := []string{
		fmt.Sprintf("image %q \"\" %d", "*"+agentText+"*", len(png)), fmt.Sprintf(`audio "" "" %d`, len(opus)),
		fmt.Sprintf(`document "" "bill.pdf" %d`, len(pdf)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the customer got (-want +got):\n%s", diff)
	}
	if n := r.meta.Count(cloudapitest.PostMedia); n != 3 {
		t.Errorf("%d uploads", n)
	}
	r.eventually("it is delivered", func() bool { return r.answer().Delivery.State == "delivered" })
	if status, _, content := r.get(r.answer().Attachments[2].Path); status != http.StatusOK || content != string(pdf) {
		t.Errorf("the agent's file: %d, %d bytes", status, len(content))
	}
}

func TestFilesThatWhatsAppRefusesAreRefused(t *testing.T) {
	r := newReceiver(t)
	r.start()
	r.meta.Customer(customerPhone, customerName).Says(r.number.ID, customerText)
	r.eventually("a ticket with the welcome", func() bool { return len(r.tickets()) == 1 && len(r.ticket(1).Articles) == 2 })
	many := make([]part, 11)
	for i := range many {
		many[i] = part{name: fmt.Sprintf("%d.png", i), content: png}
	}
	for name, tc := range map[string]struct {
		parts  []part
		status int
		text   string
	}{
		"a type":           {[]part{{name: "a.zip", mimeType: "application/zip", content: []byte("PK")}}, 422, "does not take files of the type application/zip"},
		"no type":          {[]part{{name: "a", content: []byte("x")}}, 422, "application/octet-stream"},
		"too large":        {[]part{{name: "a.png", content: append(bytes.Clone(png), make([]byte, 5<<20)...)}}, 422, "at most 5 MiB as image"},
		"empty":            {[]part{{name: "a.png"}}, 422, "empty"},
		"another content":  {[]part{{name: "a.png", mimeType: "image/png", content: []byte("<html>")}}, 422, "its content is not"},
		"stereo":           {[]part{{name: "a.ogg", content: bytes.Replace(opus, []byte("OpusHead\x01\x01"), []byte("OpusHead\x01\x02"), 1)}}, 422, "mono"},
		"the second":       {[]part{{name: "a.png", content: png}, {name: "b.exe", content: []byte("MZ")}}, 422, `\"b.exe\"`},
		"too many":         {many, 400, "at most 10 files"},
		"an unknown field": {[]part{{field: "subject", content: []byte("x")}}, 400, "not known"},
		"nothing":          {nil, 400, "neither text nor files"},
		"no content":       {[]part{text(" ")}, 400, "neither text nor files"},
	} {
		if status, answer := r.replyWith(name, tc.parts...); status != tc.status || !strings.Contains(answer, tc.text) {
			t.Errorf("%s: status %d, %s", name, status, answer)
		}
	}
	if n := len(r.ticket(1).Articles); n != 2 {
		t.Errorf("%d articles", n)
	}
	if n := r.files(); n != 0 {
		t.Errorf("%d files are left", n)
	}
	if status, _ := r.replyWith("once", part{name: "a.png", content: png}); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if status, answer := r.replyWith("once", part{name: "b.png", content: append(bytes.Clone(png), 'x')}); status != 422 || !strings.Contains(answer, "key-reused") {
		t.Errorf("another file with the same key: %d, %s", status, answer)
	}
	if n := r.files(); n != 1 {
		t.Errorf("%d files are kept", n)
	}
}

func TestAnUploadThatFailsIsTold(t *testing.T) {
	r := newReceiver(t)
	r.meta.Fail(cloudapitest.Failure{Endpoint: cloudapitest.PostMedia, Code: 131053, Times: 1})
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("the welcome", func() bool { return len(customer.Received()) == 1 })
	if status, answer := r.replyWith("k", part{name: "a.png", content: png}, part{name: "b.png", content: png}); status != http.StatusOK {
		t.Fatalf("status %d, %s", status, answer)
	}
	r.eventually("the reason", func() bool {
		d := r.answer().Delivery
		return d != nil && d.State == "not-sent" && strings.Contains(d.Reason, `"a.png"`) && strings.Contains(d.Reason, "131053")
	})
	r.eventually("the other file", func() bool { return len(customer.Received()) == 2 })
	if m := customer.Received()[1]; m.Type != string(cloudapi.MediaImage) {
		t.Errorf("sent: %+v", m)
	}
	if s := r.status(); s.DeadLetters != 0 {
		t.Errorf("%d dead letters for what the agent was told", s.DeadLetters)
	}
}
