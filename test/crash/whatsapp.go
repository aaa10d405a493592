package crash

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// received is a message that reached the customer.
type received struct {
	// key is the callback data that it was sent with.
	key     string
	purpose conversation.Purpose
	// text says what the customer sees: of a file its name and content.
	text string
	// withheld tells that its status never comes.
	withheld bool
}

// whatsApp is WhatsApp as far as messages to the customer go. It outlives the receiver's processes.
type whatsApp struct {
	chance *chance

	mu       sync.Mutex
	received []received
	uploads  map[string]string
	// statuses are webhooks that were not delivered yet.
	statuses []string
}

const statusWebhook = `{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"messages","value":{
	"metadata":{"phone_number_id":"1"},"statuses":[{"id":%q,"status":"delivered","timestamp":"%d","recipient_id":"1555",
	"biz_opaque_callback_data":%q}]}}]}]}`

func (w *whatsApp) call(ctx context.Context, e store.Effect, files media.Files, unix int64) (string, error) {
	if e.UploadMedia != nil {
		return w.upload(ctx, e.UploadMedia.File, files)
	}
	withheld := w.chance.happens(w.chance.faults.Withheld)
	w.mu.Lock()
	defer w.mu.Unlock()
	text := e.SendText.Text
	if f := e.SendText.File; f != nil {
		text = fmt.Sprintf("%s=%s:%s", f.File.Name, w.uploads[f.Upload], text)
	}
	w.received = append(w.received, received{key: e.Key, purpose: e.SendText.Purpose, text: text, withheld: withheld})
	wamid := fmt.Sprintf("wamid.%d", len(w.received))
	if !withheld {
		w.statuses = append(w.statuses, fmt.Sprintf(statusWebhook, wamid, unix, e.Key))
	}
	return wamid, nil
}

func (w *whatsApp) upload(ctx context.Context, f conversation.File, files media.Files) (string, error) {
	file, err := files.Open(ctx, f.ID)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	id := fmt.Sprintf("media.%d", len(w.uploads))
	w.uploads[id] = string(content)
	return id, nil
}

// next returns a status that was not delivered yet.
func (w *whatsApp) next() (webhook string, found bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.statuses) == 0 {
		return "", false
	}
	return w.statuses[0], true
}

func (w *whatsApp) delivered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.statuses = w.statuses[1:]
}

// line is WhatsApp as a process calls it.
type line struct {
	*whatsApp
	process *Process
}

func (l line) Call(ctx context.Context, e store.Effect, _ conversation.State) (string, error) {
	if e.SendText != nil && e.SendText.File != nil {
		// The message names the file by what the upload returned.
		var uploaded store.Effect
		if err := l.process.Store.View(ctx, func(tx *store.Tx) (err error) {
			uploaded, _, err = tx.EffectByKey(e.SendText.File.Upload)
			return err
		}); err != nil {
			return "", err
		}
		named := *e.SendText
		enclosed := *named.File
		enclosed.Upload = uploaded.RemoteID
		named.File, e.SendText = &enclosed, &named
	}
	return l.call(ctx, e, l.process.Files, l.process.Clock.Now().Unix())
}

func (line) Find(context.Context, store.Effect) (string, bool, error) { return "", false, nil }

func (line) Judge(err error) outbox.Verdict {
	return outbox.Verdict{Means: outbox.InDoubt, Reason: err.Error()}
}
