package conversation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func photoReceived(id, name string) conversation.MessageReceived {
	return conversation.MessageReceived{Message: webhook.Message{
		ID: id, From: "16315551181", Type: webhook.TypeImage, Timestamp: noon,
		Image: &webhook.Media{ID: "m1", MIMEType: "image/jpeg", SHA256: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", Filename: name},
	}}
}

func kinds(effects []conversation.Effect) (list []string) {
	for _, e := range effects {
		list = append(list, string(e.Kind)+" "+string(e.Kind.Destination()))
	}
	return list
}

func TestNoMessageWaitsForItsFile(t *testing.T) {
	state, effects := conversation.Step(conversation.State{ID: "c"}, photoReceived("w1", ""), noon)
	if diff := cmp.Diff([]string{"open-ticket helpdesk", "fetch-media media"}, kinds(effects)); diff != "" {
		t.Fatalf("the first message (-want +got):\n%s", diff)
	}
	want := conversation.File{
		ID: conversation.FileID("w1"), Kind: "image", Name: "image.jpg", MIMEType: "image/jpeg",
		SHA256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
	}
	shown := effects[0].OpenTicket.Article.Attachments
	if diff := cmp.Diff([]conversation.Attachment{{File: want, State: conversation.AttachmentPending}}, shown); diff != "" {
		t.Errorf("on the article (-want +got):\n%s", diff)
	}
	if f := effects[1].FetchMedia; f.MediaID != "m1" || f.ArticleID != "w1" || f.File != want || effects[1].Epoch != 1 {
		t.Errorf("fetch: %+v", effects[1])
	}
	if strings.Contains(want.ID, "w1") {
		t.Error("the file's ID tells the message's")
	}
	_, effects = conversation.Step(state, photoReceived("w2", "a.jpg"), noon)
	if diff := cmp.Diff([]string{"add-article helpdesk", "fetch-media media"}, kinds(effects)); diff != "" {
		t.Errorf("the next message (-want +got):\n%s", diff)
	}
}

func TestWhatBecameOfAFileIsShown(t *testing.T) {
	state, effects := conversation.Step(conversation.State{ID: "c"}, photoReceived("w1", "a.jpg"), noon)
	file := effects[1].FetchMedia.File
	file.Size = 5
	_, effects = conversation.Step(state, conversation.MediaFetched{Epoch: 1, ArticleID: "w1", File: file}, noon)
	if len(effects) != 1 || effects[0].SetAttachment.Attachment != (conversation.Attachment{File: file, State: conversation.AttachmentKept}) {
		t.Errorf("fetched: %+v", effects)
	}
	_, effects = conversation.Step(state, conversation.MediaFailed{Epoch: 1, ArticleID: "w1", File: file, Reason: "Gone."}, noon)
	if diff := cmp.Diff([]string{"set-attachment helpdesk", "add-article helpdesk"}, kinds(effects)); diff != "" {
		t.Fatalf("failed (-want +got):\n%s", diff)
	}
	if a := effects[0].SetAttachment.Attachment; a.State != conversation.AttachmentFailed || a.Reason != "Gone." {
		t.Errorf("failed: %+v", a)
	}
	if a := effects[1].AddArticle; a.Author != conversation.AuthorNote || !strings.Contains(a.Text, `"a.jpg"`) || !strings.Contains(a.Text, "Gone.") {
		t.Errorf("note: %+v", a)
	}
	if effects[0].Key == effects[1].Key {
		t.Error("two effects have one key")
	}
}

func TestRepliesWithFiles(t *testing.T) {
	photo := conversation.File{ID: "1", Kind: "image", Name: "a.jpg"}
	song := conversation.File{ID: "2", Kind: "audio", Name: "a.ogg"}
	long := strings.Repeat("word ", 300)
	for name, tc := range map[string]struct {
		text  string
		files []conversation.File
		want  []string
	}{
		"a photo":               {"", []conversation.File{photo}, []string{"a.jpg:"}},
		"with a caption":        {"look", []conversation.File{photo, song}, []string{"a.jpg:look", "a.ogg:"}},
		"no caption with songs": {"hear", []conversation.File{song, photo}, []string{":hear", "a.ogg:", "a.jpg:"}},
		"too long a caption":    {long, []conversation.File{photo}, []string{":" + strings.TrimSpace(long), "a.jpg:"}},
	} {
		state := conversation.State{ID: "c", Epoch: 1, Open: true, LastMessageAt: noon}
		state, effects := conversation.Step(state, conversation.ReplyWritten{ID: "r", Epoch: 1, Text: tc.text, Files: tc.files}, noon)
		var got []string
		uploaded := map[string]bool{}
		for _, e := range effects {
			if e.Kind.Destination() != conversation.Graph {
				t.Errorf("%s: %s goes to %s and so may overtake", name, e.Kind, e.Kind.Destination())
			}
			switch {
			case e.UploadMedia != nil:
				uploaded[e.Key] = true
			case e.SendText.File == nil:
				got = append(got, ":"+e.SendText.Text)
			default:
				got = append(got, e.SendText.File.File.Name+":"+e.SendText.Text)
				if !uploaded[e.SendText.File.Upload] {
					t.Errorf("%s: a file is sent before it is uploaded", name)
				}
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(state.Outgoing["r"].Parts) != len(tc.want) {
			t.Errorf("%s: %d parts", name, len(state.Outgoing["r"].Parts))
		}
	}
}

func TestSafeNames(t *testing.T) {
	for given, want := range map[string]string{
		"bill.pdf": "bill.pdf", "../../etc/passwd": "passwd", `C:\temp\bill.pdf`: "bill.pdf", "a\u202efdp.exe": "afdp.exe",
		"a\x00b\n.txt": "ab.txt", "..": "", "": "", "/": "", strings.Repeat("ä", 300) + ".pdf": strings.Repeat("ä", 196) + ".pdf",
	} {
		if got := conversation.SafeName(given); got != want {
			t.Errorf("SafeName(%q) = %q, want %q", given, got, want)
		}
	}
}
