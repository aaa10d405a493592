package cloudapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
)

const photo = "the bytes of a photo"

type mediaBench struct {
	*cloudapi.Client
	meta     *cloudapitest.Server
	clock    *clocktesting.FakeClock
	number   cloudapitest.PhoneNumber
	customer *cloudapitest.Customer
}

func newMediaBench(t *testing.T) mediaBench {
	t.Helper()
	b := mediaBench{clock: clocktesting.NewFakeClock(time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC))}
	b.meta = cloudapitest.NewServer(cloudapitest.WithClock(b.clock))
	t.Cleanup(b.meta.Close)
	app := b.meta.AddApp(cloudapitest.App{})
	account := b.meta.AddBusinessAccount(cloudapitest.BusinessAccount{})
	b.number = b.meta.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: account.ID, DisplayPhoneNumber: "+1 631-555-1111"})
	b.meta.IssueToken(cloudapitest.Token{Value: string(testToken), AppID: app.ID})
	b.customer = b.meta.Customer("16315551181", "Erika")
	b.Client = clientOf(t, b.meta.URL)
	return b
}

func (b mediaBench) sent(f cloudapitest.File) string {
	f.Kind, f.MIMEType = cloudapi.MediaImage, "image/jpeg"
	if f.Content == nil {
		f.Content = []byte(photo)
	}
	_, id := b.customer.SendsFile(b.number.ID, f)
	return id
}

func TestDownload(t *testing.T) {
	b := newMediaBench(t)
	media, err := b.Media(t.Context(), testToken, b.sent(cloudapitest.File{}))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(photo))
	if media.SHA256 != hex.EncodeToString(sum[:]) || media.Size != int64(len(photo)) || media.MIMEType != "image/jpeg" {
		t.Errorf("media: %+v", media)
	}
	var got strings.Builder
	if n, err := b.Download(t.Context(), testToken, media, &got, 100); err != nil || n != int64(len(photo)) || got.String() != photo {
		t.Errorf("download: %d, %v, %q", n, err, got.String())
	}
	b.clock.Step(cloudapi.MediaURLLifetime)
	var answer *cloudapi.AnswerError
	if _, err := b.Download(t.Context(), testToken, media, io.Discard, 100); !errors.As(err, &answer) || answer.HTTPStatus != 404 {
		t.Errorf("with an old URL: %v", err)
	}
	if again, err := b.Media(t.Context(), testToken, media.ID); err != nil || again.URL == media.URL {
		t.Errorf("a new URL: %+v, %v", again, err)
	}
	b.clock.Step(7 * 24 * time.Hour)
	if _, err := b.Media(t.Context(), testToken, media.ID); cloudapi.ClassOf(err) != cloudapi.ClassNotFound {
		t.Errorf("after seven days: %v", err)
	}
}

func TestDownloadsThatGoWrong(t *testing.T) {
	b := newMediaBench(t)
	for name, tc := range map[string]struct {
		file  cloudapitest.File
		limit int64
		text  string
	}{
		"a redirect":             {cloudapitest.File{Redirect: "http://127.0.0.1:9/secret"}, 100, "redirect"},
		"another host":           {cloudapitest.File{URL: "https://lookaside.fbsbx.com.example.com/x"}, 100, "not Meta's"},
		"Meta's host, no TLS":    {cloudapitest.File{URL: "http://lookaside.fbsbx.com/x"}, 100, "not Meta's"},
		"Meta's host, own port":  {cloudapitest.File{URL: "https://lookaside.fbsbx.com:8443/x"}, 100, "not Meta's"},
		"a user in the URL":      {cloudapitest.File{URL: "https://me@lookaside.fbsbx.com/x"}, 100, "not valid"},
		"too large, as it says":  {cloudapitest.File{Size: 101}, 100, "larger than allowed"},
		"too large, in fact":     {cloudapitest.File{Size: 1}, 5, "larger than allowed"},
		"the connection ends":    {cloudapitest.File{CutAfter: 5}, 100, "closed without an answer"},
		"nothing comes any more": {cloudapitest.File{CutAfter: 5, Stall: true}, 100, "took too long"},
	} {
		media, err := b.Media(t.Context(), testToken, b.sent(tc.file))
		if err != nil {
			t.Fatal(err)
		}
		// A stalled transfer ends by its own clock, which no test waits for in full.
		client := b.Client
		if tc.file.Stall {
			client = client.WithStall(50 * time.Millisecond)
		}
		_, err = client.Download(t.Context(), testToken, media, io.Discard, tc.limit)
		if err == nil || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), media.URL) || strings.Contains(err.Error(), "key=")) {
			t.Errorf("%s: the error shows the URL: %v", name, err)
		}
	}
}

func TestUploadAndSend(t *testing.T) {
	b := newMediaBench(t)
	content := bytes.Repeat([]byte("0123456789"), 300_000)
	id, err := b.UploadMedia(t.Context(), testToken, b.number.ID, cloudapi.Upload{
		Name: "räch\"nung.pdf", MIMEType: "application/pdf", Size: int64(len(content)), Content: bytes.NewReader(content),
	})
	if err != nil {
		t.Fatal(err)
	}
	if kept, _ := b.meta.Media(id); !bytes.Equal(kept.Content, content) || kept.MIMEType != "application/pdf" {
		t.Errorf("kept: %s, %d bytes", kept.MIMEType, len(kept.Content))
	}
	message := cloudapi.Message{To: b.customer.Phone(), Attachment: &cloudapi.Attachment{
		Kind: cloudapi.MediaDocument, ID: id, Caption: "Your bill", Filename: "bill.pdf",
	}}
	if _, err := b.SendMessage(t.Context(), testToken, b.number.ID, message); err != nil {
		t.Fatal(err)
	}
	if got := b.customer.Received()[0]; got.Type != "document" || got.MediaID != id || got.Caption != "Your bill" || got.Filename != "bill.pdf" {
		t.Errorf("sent: %+v", got)
	}
	message.Attachment.ID = "999"
	if _, err := b.SendMessage(t.Context(), testToken, b.number.ID, message); cloudapi.ClassOf(err) != cloudapi.ClassInvalidRequest {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAnUploadThatStandsStillIsGivenUpAndMayBeMadeAgain(t *testing.T) {
	b := newMediaBench(t)
	b.meta.Fail(cloudapitest.Failure{Endpoint: cloudapitest.PostMedia, Hang: true, Times: 1})
	// A stalled transfer ends by its own clock, which no test waits for in full.
	_, err := b.Client.WithStall(50*time.Millisecond).UploadMedia(t.Context(), testToken, b.number.ID, cloudapi.Upload{
		Name: "a.png", MIMEType: "image/png", Size: 1, Content: strings.NewReader("x"),
	})
	if err == nil || !strings.Contains(err.Error(), "took too long") || cloudapi.ClassOf(err) != cloudapi.ClassTransient {
		t.Errorf("it ended with %v", err)
	}
}

func TestUploadsAndAttachmentsThatAreRefused(t *testing.T) {
	b := newMediaBench(t)
	for name, file := range map[string]cloudapi.Upload{
		"type":  {Name: "a.zip", MIMEType: "application/zip", Size: 1, Content: strings.NewReader("x")},
		"size":  {Name: "a.png", MIMEType: "image/png", Size: 5<<20 + 1, Content: strings.NewReader("x")},
		"empty": {Name: "a.png", MIMEType: "image/png", Content: strings.NewReader("")},
	} {
		if _, err := b.UploadMedia(t.Context(), testToken, b.number.ID, file); !errors.Is(err, cloudapi.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, attachment := range map[string]cloudapi.Attachment{
		"no ID":               {Kind: cloudapi.MediaImage},
		"no kind":             {ID: "1"},
		"a caption too long":  {Kind: cloudapi.MediaImage, ID: "1", Caption: strings.Repeat("x", 1025)},
		"a caption of a song": {Kind: cloudapi.MediaAudio, ID: "1", Caption: "x"},
	} {
		message := cloudapi.Message{To: "+16315551181", Attachment: &attachment}
		if _, err := b.SendMessage(t.Context(), testToken, b.number.ID, message); !errors.Is(err, cloudapi.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := b.meta.Count(cloudapitest.PostMedia, cloudapitest.PostMessages); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	b.meta.Fail(cloudapitest.Failure{Endpoint: cloudapitest.PostMedia, Code: 131053})
	file := cloudapi.Upload{Name: "a.png", MIMEType: "image/png", Size: 1, Content: strings.NewReader("x")}
	if _, err := b.UploadMedia(t.Context(), testToken, b.number.ID, file); cloudapi.ClassOf(err) != cloudapi.ClassMedia {
		t.Errorf("Meta's refusal: %v", err)
	}
}

func TestKindOfMedia(t *testing.T) {
	for mimeType, want := range map[string]cloudapi.MediaKind{
		"image/jpeg": cloudapi.MediaImage, "audio/ogg; codecs=opus": cloudapi.MediaAudio, "Application/PDF": cloudapi.MediaDocument,
		"image/webp": cloudapi.MediaSticker, "video/3gpp": cloudapi.MediaVideo, "application/zip": "", "": "", "image/heic": "",
	} {
		if kind, ok := cloudapi.KindOfMedia(mimeType); kind != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", mimeType, kind, ok)
		}
	}
}
