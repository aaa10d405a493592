package webhookserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// post is WhatsApp as far as agents' files go: it notes what customers get, in order.
type post struct {
	mu      sync.Mutex
	uploads int
	got     []string
}

func (p *post) Call(_ context.Context, e store.Effect, _ conversation.State) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.UploadMedia != nil {
		p.uploads++
		return "media", nil
	}
	name := ""
	if e.SendText.File != nil {
		name = e.SendText.File.File.Name
	}
	p.got = append(p.got, name+":"+e.SendText.Text)
	return fmt.Sprintf("sent %s %d", e.Key, len(p.got)), nil
}

func (*post) Find(context.Context, store.Effect) (string, bool, error) { return "", false, nil }
func (*post) Judge(error) outbox.Verdict                               { return outbox.Verdict{Means: outbox.InDoubt} }

// volume is what survives the process of a story with files.
type volume struct {
	dir   string
	meta  *cloudapitest.Server
	token string
	body  string
	clock *clocktest.Fake
	post  *post
}

const mediaWebhook = `{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"messages","value":{
	"metadata":{"phone_number_id":"1"},"messages":[
	{"from":"1555","id":"wamid.1","timestamp":"1793613600","type":"image","image":{"id":"%s","mime_type":"image/png","sha256":""}},
	{"from":"1555","id":"wamid.2","timestamp":"1793613601","type":"text","text":{"body":"two"}}]}}]}]}`

func (v *volume) live(t *testing.T, dieAt int64, after bool) *life {
	t.Helper()
	opened, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: v.dir})
	if err != nil {
		t.Fatal(err)
	}
	files, err := media.Open(v.dir + "/media")
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{Store: opened, dieAt: dieAt, after: after, deadSignal: make(chan struct{})}
	l := &life{store: m, clock: v.clock, inbox: &inbox.Inbox{Store: m, Clock: v.clock}}
	graph := &outbox.GraphCaller{Store: m, Files: files, Account: func() outbox.Account {
		return outbox.Account{BaseURL: v.meta.URL, Version: "v25.0", AccessToken: cloudapi.Token(v.token), PhoneNumberID: "1"}
	}}
	log := slog.New(slog.DiscardHandler)
	l.out = outbox.New(outbox.Options{
		Store: m, Clock: v.clock, Log: log, Jitter: func() float64 { return 0 },
		Callers: map[conversation.Destination]outbox.Caller{
			conversation.Graph:    v.post,
			conversation.Helpdesk: helpdeskCaller(l.inbox, m, v.clock),
			conversation.Media:    &outbox.MediaCaller{Graph: graph, Files: files},
		},
	})
	l.proc = engine.NewProcessor(engine.Processor{
		Store: m, Clock: v.clock, Log: log, Processed: l.out.Wake,
		Channel: func() config.Channel { return config.Channel{PhoneNumber: &config.PhoneNumber{ID: "1"}} },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = l.proc.Run(ctx) })
	running.Go(func() { _ = l.out.Run(ctx) })
	l.wait = func() {
		cancel()
		running.Wait()
		graph.Close()
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// story is what the outside does: Meta posts until it gets its 200, and the agent sends the reply until it is taken.
func (v *volume) story(t *testing.T, l *life) {
	t.Helper()
	if err := l.store.Append(context.Background(), store.Webhook{ReceivedAt: v.clock.Now(), Body: []byte(v.body)}); err != nil {
		return
	}
	l.proc.Wake()
	l.settle(t)
	if l.store.dead.Load() {
		return
	}
	files := []conversation.File{{ID: conversation.FileID("a"), Kind: "image", Name: "a.png"}, {ID: conversation.FileID("b"), Kind: "image", Name: "b.png"}}
	if _, err := l.inbox.Reply(context.Background(), 1, "key", "look", files...); err != nil {
		return
	}
	l.settle(t)
}

// The process is killed before and after each of its commits. Whatever the moment, the customer's file is on the ticket
// once and whole, and the agent's files arrive in order; one is sent twice only with a note that says so.
func TestNoFileIsLostWhereverTheProcessDies(t *testing.T) {
	meta := cloudapitest.NewServer()
	t.Cleanup(meta.Close)
	app := meta.AddApp(cloudapitest.App{})
	token := meta.IssueToken(cloudapitest.Token{AppID: app.ID})
	account := meta.AddBusinessAccount(cloudapitest.BusinessAccount{})
	number := meta.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: account.ID})
	_, id := meta.Customer("1555", "").SendsFile(number.ID, cloudapitest.File{Kind: "image", MIMEType: "image/png", Content: png})
	for _, after := range []bool{false, true} {
		for dieAt := int64(1); ; dieAt++ {
			v := &volume{
				dir: t.TempDir(), meta: meta, token: token, body: fmt.Sprintf(mediaWebhook, id),
				clock: clocktest.New(time.Unix(1793613610, 0)), post: &post{},
			}
			first := v.live(t, dieAt, after)
			v.story(t, first)
			died := first.store.dead.Load()
			first.wait()
			second := v.live(t, 0, false)
			v.story(t, second)
			v.check(t, fmt.Sprintf("killed at commit %d, after it: %v", dieAt, after), second)
			second.wait()
			if t.Failed() {
				return
			}
			if !died {
				if dieAt < 20 {
					t.Errorf("the story has only %d commits; it does not test what it should", dieAt)
				}
				break
			}
		}
	}
}

func (v *volume) check(t *testing.T, when string, l *life) {
	t.Helper()
	var kept []conversation.Attachment
	notes := 0
	if err := l.store.View(context.Background(), func(tx *store.Tx) error {
		articles, err := tx.Articles(1)
		for _, a := range articles {
			if a.Author == conversation.AuthorNote {
				notes++
			}
		}
		if err == nil {
			kept, err = tx.Attachments("wamid.1")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 1 || kept[0].State != conversation.AttachmentKept || kept[0].Size != int64(len(png)) {
		t.Errorf("%s: the customer's file: %+v", when, kept)
	}
	entries, err := os.ReadDir(v.dir + "/media")
	if err != nil || len(entries) != 1 {
		t.Errorf("%s: on the volume: %v, %v", when, entries, err)
	}
	file, err := os.Open(v.dir + "/media/" + conversation.FileID("wamid.1"))
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer file.Close()
	if content, err := io.ReadAll(file); err != nil || !bytes.Equal(content, png) {
		t.Errorf("%s: the file has %d bytes, %v", when, len(content), err)
	}
	want := []string{"a.png:look", "b.png:"}
	got := v.post.got
	if notes == 1 && len(got) == 3 {
		got = twiceIsOnce(got)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: the customer got (-want +got), with %d notes:\n%s", when, notes, diff)
	}
}

// twiceIsOnce drops what came twice in a row.
func twiceIsOnce(list []string) (once []string) {
	for i, s := range list {
		if i == 0 || s != list[i-1] {
			once = append(once, s)
		}
	}
	return once
}
