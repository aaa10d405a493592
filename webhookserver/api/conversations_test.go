package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/cloudevents"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// withCloudEvents has agents work on conversations, as they do where tickets are told by CloudEvents.
func (b *bench) withCloudEvents() {
	b.agents = cloudevents.New(cloudevents.Options{
		Channel: config.Channel{Helpdesk: &config.Helpdesk{CloudEvents: &config.CloudEvents{URL: "https://events.example.com"}}},
		Store:   b.store, Clock: b.clock,
		Settings: func() conversation.Settings { return conversation.Settings{Goodbye: "Goodbye."} },
	})
}

// workplaces are the helpdesks whose agents work through the API.
var workplaces = map[string]func(*bench){
	"in the inbox":     func(*bench) {},
	"with CloudEvents": (*bench).withCloudEvents,
}

// sends lists the texts that wait to be sent to customers.
func (b *bench) sends() (texts []string) {
	b.t.Helper()
	if err := b.store.View(b.t.Context(), func(tx *store.Tx) error {
		for id := int64(1); ; id++ {
			e, found, err := tx.Effect(id)
			if err != nil || !found {
				return err
			}
			if e.SendText != nil {
				texts = append(texts, e.SendText.Text)
			}
		}
	}); err != nil {
		b.t.Fatal(err)
	}
	return texts
}

func TestConversationsAreAnsweredAndClosed(t *testing.T) {
	for name, prepare := range workplaces {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.open()
			prepare(b)
			const path = "/v1/conversations/c"
			for _, step := range []struct {
				path, key, body string
				want            int
				state           string
			}{
				{"/replies", "one", `{"text":"Tomorrow."}`, 200, "open"},
				{"/replies", "one", `{"text":"Tomorrow."}`, 200, "open"},
				{"/replies", "one", `{"text":"Never."}`, 422, "open"},
				{"/replies", "", `{"text":"Tomorrow."}`, 400, "open"},
				{"/replies", "two", `{"text":" "}`, 400, "open"},
				{"/pending", "three", "", 200, "pending"},
				{"/open", "four", "", 200, "open"},
				{"/close", "", "", 400, "open"},
				{"/close", "five", "", 200, "closed"},
				{"/close", "six", "", 200, "closed"},
				{"/open", "seven", "", 200, "open"},
			} {
				if got, answer := b.do(http.MethodPost, path+step.path, "api", step.key, step.body); got != step.want {
					t.Errorf("%s with %q: %d, want %d: %s", step.path, step.key, got, step.want, answer)
				}
				var shown wire.Conversation
				_, answer := b.do(http.MethodGet, path, "api", "", "")
				if err := json.Unmarshal([]byte(answer), &shown); err != nil || shown.State != step.state || shown.WindowEndsAt == nil {
					t.Errorf("after %s with %q: %s", step.path, step.key, answer)
				}
			}
			want := []string{"Tomorrow."}
			if name != "in the inbox" {
				want = append(want, "Goodbye.")
			}
			if diff := cmp.Diff(want, b.sends()); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			for _, other := range []string{"/v1/conversations/d", "/v1/conversations/d/attachments/x", path + "/attachments/x"} {
				if got, _ := b.do(http.MethodGet, other, "api", "", ""); got != http.StatusNotFound {
					t.Errorf("%s: %d", other, got)
				}
			}
		})
	}
}

func TestAgentsWhoWorkElsewhereAreSentThere(t *testing.T) {
	b := newBench(t)
	b.open()
	b.agents = nil
	for _, path := range []string{"/replies", "/close", "/pending", "/open"} {
		if got, _ := b.do(http.MethodPost, "/v1/conversations/c"+path, "api", "key", `{"text":"Hello"}`); got != http.StatusConflict {
			t.Errorf("%s: %d", path, got)
		}
	}
	if len(b.sends()) != 0 {
		t.Errorf("sent %q", b.sends())
	}
}

func TestFilesOfConversations(t *testing.T) {
	b := newBench(t)
	b.open()
	file := conversation.File{ID: conversation.FileID("w2"), Kind: "image", Name: "a.png", MIMEType: "image/png"}
	if err := b.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.AddEffects("c", []conversation.Effect{{
			Key: conversation.MediaKey("w2"), Kind: conversation.KindFetchMedia, Epoch: 1,
			FetchMedia: &conversation.FetchMedia{ArticleID: "w2", MediaID: "5", File: file},
		}}, start)
	}); err != nil {
		t.Fatal(err)
	}
	got, answer := b.do(http.MethodGet, "/v1/conversations/c/attachments/"+file.ID, "api", "", "")
	var p wire.Problem
	if err := json.Unmarshal([]byte(answer), &p); err != nil || got != http.StatusNotFound || p.Error.Code != "pending" {
		t.Errorf("a file that is being fetched: %d %s", got, answer)
	}
}

// replyWith posts a reply with a picture.
func (b *bench) replyWith(key, text string) int {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := form.WriteField("text", text)
	if err == nil {
		var w io.Writer
		if w, err = form.CreateFormFile("file", "a.png"); err == nil {
			_, err = w.Write([]byte("\x89PNG\r\n\x1a\n"))
		}
	}
	if err = errors.Join(err, form.Close()); err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/conversations/c/replies", &body)
	r.Header.Set("Authorization", "Bearer api")
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set(wire.IdempotencyKey, key)
	status, _ := b.serve(r, "")
	return status
}

// fullVolume takes no file.
type fullVolume struct{ media.Files }

func (fullVolume) Draft(context.Context) (media.Draft, error) { return nil, media.ErrFull }

func TestAReplyWithAFileThatHasNoRoomIsRefused(t *testing.T) {
	b := newBench(t)
	b.open()
	b.handler.Files = fullVolume{b.files}
	if status := b.replyWith("key", "Hello"); status != http.StatusInsufficientStorage {
		t.Errorf("status %d", status)
	}
}

func (b *bench) filesKept() int {
	b.t.Helper()
	ids, err := b.files.Before(b.t.Context(), time.Now().Add(time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	return len(ids)
}

func TestAReplyThatIsRefusedLeavesTheFilesOfOthersAlone(t *testing.T) {
	for name, prepare := range workplaces {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.open()
			prepare(b)
			for _, step := range []struct {
				key, text string
				want      int
			}{{"one", "Look:", 200}, {"one", "Look:", 200}, {"one", "Look here:", 422}} {
				if got := b.replyWith(step.key, step.text); got != step.want || b.filesKept() != 1 {
					t.Errorf("%q with the key %q: %d, want %d; %d files are kept", step.text, step.key, got, step.want, b.filesKept())
				}
			}
		})
	}
}

// breakingAgents lose their connection to the database before they know what became of a reply.
type breakingAgents struct{ api.Conversations }

func (a breakingAgents) Reply(ctx context.Context, of, key, text string, files ...conversation.File) (conversation.Article, error) {
	article, err := a.Conversations.Reply(ctx, of, key, text, files...)
	return article, errors.Join(err, errors.New("the connection was lost"))
}

func TestTheFilesOfAReplyThatMayBeWrittenStay(t *testing.T) {
	b := newBench(t)
	b.open()
	b.withCloudEvents()
	b.agents = breakingAgents{b.agents}
	if got := b.replyWith("one", "Look:"); got != http.StatusServiceUnavailable || b.filesKept() != 1 {
		t.Errorf("%d; %d files are kept", got, b.filesKept())
	}
}
