package reliability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const (
	appSecret = "app-secret"
	apiToken  = "api-token"
	// callers is how many webhooks are on their way at once.
	callers = 32
	// customers is how many different customers write.
	customers = 200
	// photoEvery is how many messages there are for one with a photo.
	photoEvery = 16
)

// photo is what customers send; it takes more than one piece where files are cut into pieces.
var photo = bytes.Repeat([]byte("a photo, "), 40_000)

// meta is Meta: it holds the photo, and calls the receiver.
type meta struct {
	server    *cloudapitest.Server
	configDir string
	numberID  string
	photoID   string
	client    *http.Client
}

// newMeta makes Meta, and the configuration of a channel there.
func newMeta(t *testing.T) *meta {
	t.Helper()
	server := cloudapitest.NewServer()
	t.Cleanup(server.Close)
	app := server.AddApp(cloudapitest.App{Secret: appSecret})
	account := server.AddBusinessAccount(cloudapitest.BusinessAccount{})
	number := server.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: account.ID})
	m := &meta{server: server, configDir: t.TempDir(), numberID: number.ID, client: &http.Client{
		Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: callers},
	}}
	t.Cleanup(m.client.CloseIdleConnections)
	_, m.photoID = server.Customer("15550000000", "").SendsFile(number.ID, cloudapitest.File{
		Kind: cloudapi.MediaImage, MIMEType: "image/jpeg", Content: photo,
	})
	channel, err := json.Marshal(config.Channel{
		Namespace: "helpdesk", Name: "support", BusinessAccountID: account.ID, PhoneNumber: &config.PhoneNumber{ID: number.ID},
		Graph: config.Graph{BaseURL: server.URL, Version: "v25.0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		config.ChannelFile: string(channel), config.AppSecretFile: appSecret, config.VerifyTokenFile: "verify-token",
		config.AccessTokenFile: server.IssueToken(cloudapitest.Token{AppID: app.ID}),
		config.StatusTokenFile: "status-token", config.APITokenFile: apiToken,
	} {
		if err := os.WriteFile(filepath.Join(m.configDir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// webhook is a message with an ID: the n-th.
func (m *meta) webhook(wamid string, n int64) []byte {
	content := `"type":"text","text":{"body":"a message"}`
	if n%photoEvery == 0 {
		content = `"type":"image","image":{"id":"` + m.photoID + `","mime_type":"image/jpeg","sha256":""}`
	}
	return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{`+
		`"metadata":{"phone_number_id":"%s"},"messages":[{"from":"%d","id":"%s","timestamp":"%d",%s}]}}]}]}`,
		m.numberID, 15551000000+n%customers, wamid, time.Now().Unix(), content)
}

// post sends a webhook and returns the status of the answer, zero if there was none.
func (m *meta) post(receiver string, body []byte) int {
	request, err := http.NewRequest(http.MethodPost, "http://"+receiver+config.CallbackPath("helpdesk", "support"), bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set(webhook.SignatureHeader, webhook.Sign(body, []byte(appSecret)))
	response, err := m.client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// sendPhotos sends photos, and waits until the receiver has asked for all of them.
func (m *meta) sendPhotos(t *testing.T, receiver string, run int) (acknowledged []string) {
	t.Helper()
	for i := range photos {
		wamid := fmt.Sprintf("wamid.%d.photo.%d", run, i)
		if status := m.post(receiver, m.webhook(wamid, int64(i*photoEvery))); status != http.StatusOK {
			t.Fatalf("a photo was answered %d", status)
		}
		acknowledged = append(acknowledged, wamid)
	}
	gomega.NewWithT(t).Eventually(func() int { return m.server.Count(cloudapitest.DownloadMedia) }).WithTimeout(patience).
		Should(gomega.BeNumerically(">=", photos))
	return acknowledged
}

// load is many callers that send webhooks until the receiver answers no more, and note what was acknowledged.
type load struct {
	mu sync.Mutex
	// acknowledged are the IDs of the messages that were answered 200, and others counts the other answers.
	acknowledged []string
	others       map[int]int
	// failing tells that the volume is being taken away, and late are the IDs that were answered 200 since.
	failing bool
	late    []string
	arrived chan struct{}
	callers sync.WaitGroup
	// over is closed when no caller gets answers any more.
	over chan struct{}
}

// begin starts to send. The IDs of the messages begin with a name.
func (m *meta) begin(receiver, name string) *load {
	l := &load{others: map[int]int{}, arrived: make(chan struct{}, 1), over: make(chan struct{})}
	var n atomic.Int64
	for range callers {
		l.callers.Go(func() {
			for {
				i := n.Add(1)
				wamid := fmt.Sprintf("wamid.%s.%d", name, i)
				status := m.post(receiver, m.webhook(wamid, i))
				if status == 0 {
					return
				}
				l.note(wamid, status)
			}
		})
	}
	go func() { l.callers.Wait(); close(l.over) }()
	return l
}

func (l *load) note(wamid string, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case status == http.StatusOK && l.failing:
		l.late = append(l.late, wamid)
	case status == http.StatusOK:
		l.acknowledged = append(l.acknowledged, wamid)
	default:
		l.others[status]++
	}
	select {
	case l.arrived <- struct{}{}:
	default:
	}
}

// await waits until a number of messages was acknowledged.
func (l *load) await(t *testing.T, number int) {
	t.Helper()
	l.until(t, func() bool { return len(l.acknowledged) >= number })
}

// until waits for a condition, which is looked at after each answer.
func (l *load) until(t *testing.T, condition func() bool) {
	t.Helper()
	holds := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return condition()
	}
	deadline, over := time.After(patience), false
	for !holds() {
		if over {
			t.Fatalf("the receiver answers no more; %d messages were acknowledged, other answers: %v", len(l.acknowledged), l.others)
		}
		select {
		case <-l.arrived:
		case <-l.over:
			over = true
		case <-deadline:
			t.Fatalf("%d messages were acknowledged, other answers: %v", len(l.acknowledged), l.others)
		}
	}
}

// cut takes the power of a volume.
func (l *load) cut(v *volume) {
	l.mu.Lock()
	l.failing = true
	l.mu.Unlock()
	v.cut()
}

// end waits until all callers have got no answer, and returns what was acknowledged before the volume was taken away.
func (l *load) end() []string {
	l.callers.Wait()
	return l.acknowledged
}
