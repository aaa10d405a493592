package zammad_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

// kept keeps a file of a customer's message.
func (w *world) kept(id, content string) conversation.Attachment {
	w.receiver.files[id] = content
	return conversation.Attachment{State: conversation.AttachmentKept, File: conversation.File{
		ID: id, Kind: "image", Name: id + ".png", MIMEType: "image/png", Size: int64(len(content)),
	}}
}

func TestFilesComeWithTheirArticleInOneCall(t *testing.T) {
	w := newWorld(t)
	a := message("wamid.1", "Look")
	// Longer than what is encoded at once, and no multiple of three.
	big := strings.Repeat("0123456789", 10_000) + "!"
	a.Attachments = []conversation.Attachment{w.kept("one", "first"), w.kept("two", big)}
	id, err := w.desk.OpenTicket(t.Context(), ticketOf(nicole, 1, a))
	must(t, err)
	seen := w.seen(id)
	if len(seen.Articles) != 1 || len(seen.Articles[0].Files) != 2 || w.Count(zammadtest.PostTickets) != 1 {
		t.Fatalf("the ticket has %+v", seen.Articles)
	}
	if f := seen.Articles[0].Files; string(f[0].Content) != "first" || string(f[1].Content) != big || f[1].Name != "two.png" || f[1].MIMEType != "image/png" {
		t.Errorf("the files are %s %s", f[0].Content, f[1].Name)
	}
	for range 2 {
		must(t, w.desk.SetAttachment(t.Context(), id, conversation.SetAttachment{ArticleID: "wamid.1", Attachment: a.Attachments[1]}))
	}
	if len(w.seen(id).Articles) != 1 {
		t.Error("a file that is there already came again")
	}
}

func TestAFileThatIsLateComesOnceWithAnArticleOfItsOwn(t *testing.T) {
	w := newWorld(t)
	a := message("wamid.1", "Look")
	a.Attachments = []conversation.Attachment{{State: conversation.AttachmentPending, File: conversation.File{ID: "one", Name: "one.png"}}}
	id, err := w.desk.OpenTicket(t.Context(), ticketOf(nicole, 1, a))
	must(t, err)
	if body := w.seen(id).Articles[0].Body; !strings.Contains(body, `"one.png" is still being fetched`) {
		t.Errorf("the article says %q", body)
	}
	for range 2 {
		must(t, w.desk.SetAttachment(t.Context(), id, conversation.SetAttachment{ArticleID: "wamid.1", Attachment: w.kept("one", "content")}))
	}
	seen := w.seen(id)
	if len(seen.Articles) != 2 || len(last(seen).Files) != 1 || last(seen).Sender != "Customer" {
		t.Errorf("the ticket has %+v", seen.Articles)
	}
}

func TestWhatIsTooLargeForTheServerIsKeptAndTheArticleSaysWhere(t *testing.T) {
	w := newWorld(t, zammadtest.WithMaxBody(300_000))
	a := message("wamid.1", "Look")
	a.Attachments = []conversation.Attachment{w.kept("small", strings.Repeat("s", 1000)), w.kept("large", strings.Repeat("l", 400_000))}
	id, err := w.desk.OpenTicket(t.Context(), ticketOf(nicole, 1, a))
	must(t, err)
	shown := w.seen(id).Articles[0]
	if len(shown.Files) != 1 || shown.Files[0].Name != "small.png" {
		t.Errorf("the files are %v", shown.Files)
	}
	if want := `The file "large.png" (0.4 MiB) is too large for Zammad. It is kept by the WhatsApp channel helpdesk/support as file large.`; !strings.Contains(shown.Body, want) {
		t.Errorf("the article says %q", shown.Body)
	}
	before := w.Count(zammadtest.PutTicket)
	b := message("wamid.2", "Again")
	b.Attachments = a.Attachments[1:]
	must(t, w.add(id, b))
	if w.Count(zammadtest.PutTicket) != before+1 {
		t.Error("what the server takes was not remembered")
	}
}

func TestATextThatIsTooLongIsCutAndSaysSo(t *testing.T) {
	w := newWorld(t)
	id, err := w.desk.OpenTicket(t.Context(), ticketOf(nicole, 1, message("wamid.1", strings.Repeat("ä", 1_600_000)+"\x00")))
	must(t, err)
	if body := w.seen(id).Articles[0].Body; !strings.HasSuffix(body, "The rest of this message is too long for Zammad.") {
		t.Errorf("the article ends with %q", body[len(body)-60:])
	}
}

func TestATransferMayTakeItsTimeButNotStandStill(t *testing.T) {
	for name, tc := range map[string]struct {
		pause time.Duration
		parts int
	}{
		"nothing comes any more":      {30 * time.Second, 1},
		"it takes longer than it may": {29 * time.Second, 11},
	} {
		t.Run(name, func(t *testing.T) {
			parts := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				for {
					select {
					case <-parts:
					case <-r.Context().Done():
						return
					}
					_, _ = rw.Write([]byte("x"))
					_ = http.NewResponseController(rw).Flush()
				}
			}))
			defer server.Close()
			w := newWorld(t)
			w.connect(func(o *zammad.Options) { o.URL = server.URL })
			requests := w.timeRequests()
			go func() { parts <- struct{}{} }()
			response, err := zammad.Download(t.Context(), w.desk, "/ticket_attachment/1/1/1")
			must(t, err)
			defer func() { _ = response.Body.Close() }()
			part := make([]byte, 1)
			for n := range tc.parts {
				if n > 0 {
					parts <- struct{}{}
				}
				if _, err := response.Body.Read(part); err != nil {
					t.Fatalf("part %d: %v", n, err)
				}
				requests.Advance(tc.pause)
			}
			_, err = response.Body.Read(part)
			means(t, "the next part", err, helpdesk.InDoubt, helpdesk.ReasonUnreachable)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it broke off with %v", err)
			}
		})
	}
}
