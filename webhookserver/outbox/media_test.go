package outbox_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const photo = "the bytes of a photo"

// album is an outbox that fetches from a simulated WhatsApp into the built-in inbox.
type album struct {
	t        *testing.T
	store    *store.SQLite
	clock    *clocktest.Fake
	meta     *cloudapitest.Server
	number   cloudapitest.PhoneNumber
	token    string
	dir      string
	files    media.Files
	article  string
	mediaID  string
	received conversation.MessageReceived
	// pauses is how much of the longest pause is made between attempts.
	pauses float64
	// patience, if set, is how long WhatsApp may keep an upload waiting for its answer, by the machine's clock.
	patience time.Duration
	box      *outbox.Outbox
	end      func()
}

func newAlbum(t *testing.T, f cloudapitest.File) *album {
	t.Helper()
	s, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	a := &album{t: t, store: s, clock: clocktest.New(start), dir: t.TempDir(), article: "w1"}
	a.meta = cloudapitest.NewServer()
	t.Cleanup(a.meta.Close)
	app := a.meta.AddApp(cloudapitest.App{})
	account := a.meta.AddBusinessAccount(cloudapitest.BusinessAccount{})
	a.number = a.meta.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: account.ID})
	a.token = a.meta.IssueToken(cloudapitest.Token{AppID: app.ID})
	f.Kind, f.MIMEType, f.Content = cloudapi.MediaImage, "image/jpeg", []byte(photo)
	_, a.mediaID = a.meta.Customer("16315551181", "Erika").SendsFile(a.number.ID, f)
	a.received = conversation.MessageReceived{Message: webhook.Message{
		ID: a.article, From: "16315551181", Type: webhook.TypeImage, Timestamp: start,
		Image: &webhook.Media{ID: a.mediaID, MIMEType: f.MIMEType},
	}}
	return a
}

// receive lets the message with the file happen. Its hash is that of the simulator's file, unless told.
func (a *album) receive(hash string) {
	a.t.Helper()
	a.received.Message.Image.SHA256 = hash
	if err := a.store.Update(context.Background(), func(tx *store.Tx) error {
		if err := tx.SaveConversation(conversation.State{ID: "c"}, start); err != nil {
			return err
		}
		return engine.Apply(tx, "c", a.received, start)
	}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *album) run() {
	a.t.Helper()
	var err error
	if a.files, err = media.OpenDir(a.dir); err != nil {
		a.t.Fatal(err)
	}
	graph := &outbox.GraphCaller{Store: a.store, Files: a.files, Account: func() outbox.Account {
		return outbox.Account{BaseURL: a.meta.URL, Version: "v25.0", AccessToken: cloudapi.Token(a.token), PhoneNumberID: a.number.ID}
	}}
	if a.patience > 0 {
		uploads := http.DefaultTransport.(*http.Transport).Clone()
		uploads.ResponseHeaderTimeout = a.patience
		outbox.UseClient(graph, &http.Client{Transport: impatient{http.DefaultTransport.(*http.Transport).Clone(), uploads}})
	}
	desk := &inbox.Inbox{Store: a.store, Clock: a.clock}
	a.box = outbox.New(outbox.Options{
		Store: a.store, Clock: a.clock, Log: slog.New(slog.DiscardHandler), Jitter: func() float64 { return a.pauses },
		Callers: map[conversation.Destination]outbox.Caller{
			conversation.Graph: graph,
			conversation.Helpdesk: &outbox.HelpdeskCaller{
				Helpdesk: func() helpdesk.Helpdesk { return desk }, Store: a.store, Clock: a.clock,
				Settings: func() conversation.Settings { return conversation.Settings{} },
			},
			conversation.Media: &outbox.MediaCaller{Graph: graph, Files: a.files},
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.box.Run(ctx) }()
	a.end = func() {
		cancel()
		if err := <-done; err != nil {
			a.t.Errorf("Run: %v", err)
		}
		graph.Close()
		a.end = func() {}
	}
	a.t.Cleanup(func() { a.end() })
}

// impatient breaks uploads off that get no answer. Others are waited for, however busy the machine is: a text in doubt would be
// sent again.
type impatient struct {
	*http.Transport
	uploads *http.Transport
}

func (i impatient) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/media") {
		return i.uploads.RoundTrip(r)
	}
	return i.Transport.RoundTrip(r)
}

func (i impatient) CloseIdleConnections() {
	i.Transport.CloseIdleConnections()
	i.uploads.CloseIdleConnections()
}

func (a *album) attachment() (found conversation.Attachment) {
	a.t.Helper()
	if err := a.store.View(context.Background(), func(tx *store.Tx) error {
		list, err := tx.Attachments(a.article)
		if len(list) == 1 {
			found = list[0]
		}
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
	return found
}

func (a *album) notes() (notes []string) {
	a.t.Helper()
	if err := a.store.View(context.Background(), func(tx *store.Tx) error {
		articles, err := tx.Articles(1)
		for _, article := range articles {
			if article.Author == conversation.AuthorNote {
				notes = append(notes, article.Text)
			}
		}
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
	return notes
}

func (a *album) becomes(state conversation.AttachmentState) {
	a.t.Helper()
	gomega.NewWithT(a.t).Eventually(func() conversation.AttachmentState { return a.attachment().State }).
		WithTimeout(time.Minute).WithPolling(2 * time.Millisecond).Should(gomega.Equal(state))
}

// kept fails the test unless the file is there as it was sent, and nothing else.
func (a *album) kept() {
	a.t.Helper()
	a.becomes(conversation.AttachmentKept)
	file, err := a.files.Open(context.Background(), conversation.FileID(a.article))
	if err != nil {
		a.t.Fatal(err)
	}
	defer file.Close()
	if content, err := io.ReadAll(file); err != nil || string(content) != photo {
		a.t.Errorf("the file holds %q, %v", content, err)
	}
	if got := a.attachment(); got.Size != int64(len(photo)) || len(got.SHA256) != 64 {
		a.t.Errorf("the attachment: %+v", got)
	}
	a.onlyFiles(1)
}

func (a *album) onlyFiles(want int) {
	a.t.Helper()
	entries, err := os.ReadDir(a.dir)
	if err != nil || len(entries) != want {
		a.t.Errorf("on the volume: %v, %v; want %d files", entries, err, want)
	}
}

func TestFilesAreFetched(t *testing.T) {
	a := newAlbum(t, cloudapitest.File{})
	a.receive("")
	a.run()
	a.kept()
	if n := a.meta.Count(cloudapitest.DownloadMedia); n != 1 {
		t.Errorf("downloaded %d times", n)
	}
	if len(a.notes()) != 0 {
		t.Errorf("notes: %v", a.notes())
	}
}

func TestFilesAreFetchedInTheEnd(t *testing.T) {
	a := newAlbum(t, cloudapitest.File{})
	a.meta.Fail(cloudapitest.Failure{Endpoint: cloudapitest.GetMedia, Code: 131000, Times: 6})
	a.meta.Fail(cloudapitest.Failure{Endpoint: cloudapitest.DownloadMedia, HTTPStatus: 404, Times: 2})
	a.meta.Fail(cloudapitest.Failure{Endpoint: cloudapitest.DownloadMedia, HTTPStatus: 502, Times: 1})
	a.receive("")
	a.run()
	a.kept()
	if n := a.meta.Count(cloudapitest.GetMedia); n != 10 {
		t.Errorf("asked for a URL %d times, want 10: a new one for each attempt", n)
	}
}

func TestFilesThatCannotBeHadAreTold(t *testing.T) {
	for name, tc := range map[string]struct {
		file    cloudapitest.File
		hash    string
		prepare func(*album)
		calls   int
		text    string
	}{
		"the webhook's hash is another":   {hash: strings.Repeat("0", 64), calls: 5, text: "damaged"},
		"the node's hash is another":      {file: cloudapitest.File{WrongHash: true}, calls: 5, text: "damaged"},
		"it is too large":                 {file: cloudapitest.File{Size: 21 << 20}, calls: 1, text: "larger than the 20480 KiB"},
		"it is gone":                      {prepare: func(a *album) { a.meta.ForgetMedia(a.mediaID) }, calls: 5, text: "no longer has it"},
		"WhatsApp could not take it":      {prepare: func(a *album) { a.meta.Fail(cloudapitest.Failure{Endpoint: cloudapitest.GetMedia, Code: 131052}) }, calls: 5, text: "131052"},
		"the URL leads to another host":   {file: cloudapitest.File{URL: "https://example.com/photo"}, calls: 12, text: "not Meta's"},
		"the URL redirects to other host": {file: cloudapitest.File{Redirect: "https://example.com/photo"}, calls: 12, text: "redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAlbum(t, tc.file)
			if tc.prepare != nil {
				tc.prepare(a)
			}
			a.receive(tc.hash)
			a.run()
			a.becomes(conversation.AttachmentFailed)
			if got := a.attachment(); !strings.Contains(got.Reason, tc.text) {
				t.Errorf("the reason: %q", got.Reason)
			}
			gomega.NewWithT(t).Eventually(a.notes).WithTimeout(time.Minute).Should(gomega.ConsistOf(gomega.ContainSubstring(tc.text)))
			if n := a.meta.Count(cloudapitest.GetMedia); n != tc.calls {
				t.Errorf("asked %d times, want %d", n, tc.calls)
			}
			a.onlyFiles(0)
		})
	}
}

func TestNothingWaitsForAFile(t *testing.T) {
	a := newAlbum(t, cloudapitest.File{CutAfter: 5, Stall: true})
	a.receive("")
	a.run()
	// Closing WhatsApp ends the download, for which the outbox waits.
	t.Cleanup(a.meta.Close)
	a.becomes(conversation.AttachmentPending)
	gomega.NewWithT(t).Eventually(func() int { return a.meta.Count(cloudapitest.GetMedia) }).WithTimeout(time.Minute).Should(gomega.Equal(1))
}

func TestACrashWhileAFileIsFetched(t *testing.T) {
	a := newAlbum(t, cloudapitest.File{})
	a.receive("")
	a.crashInFlight()
	unfinished, err := os.Create(a.dir + "/draft-123")
	if err == nil {
		_, err = unfinished.WriteString("the bytes")
		_ = unfinished.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	a.run()
	a.clock.Advance(time.Hour)
	a.kept()
}

func TestACrashAfterAFileWasFetched(t *testing.T) {
	a := newAlbum(t, cloudapitest.File{})
	a.receive("")
	a.crashInFlight()
	files, err := media.OpenDir(a.dir)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := files.Draft(context.Background())
	if err == nil {
		_, err = io.WriteString(draft, photo)
	}
	if err == nil {
		err = draft.Keep(conversation.FileID(a.article))
	}
	if err != nil {
		t.Fatal(err)
	}
	a.run()
	a.clock.Advance(time.Hour)
	a.kept()
	if n := a.meta.Count(cloudapitest.GetMedia); n != 0 {
		t.Errorf("the file was fetched again, %d times", n)
	}
}

// crashInFlight leaves the store as a process leaves it that dies while it fetches.
func (a *album) crashInFlight() {
	a.t.Helper()
	if err := a.store.Update(context.Background(), func(tx *store.Tx) error {
		due, err := tx.DueEffects(start, 10, conversation.Media)
		if err != nil || len(due) != 1 {
			a.t.Fatalf("%d effects, %v", len(due), err)
		}
		_, err = tx.BeginCall(due[0], start, start.Add(time.Minute))
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
}
