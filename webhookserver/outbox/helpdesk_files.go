package outbox

import (
	"context"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// withFiles returns an article with its files as they are at present. Where the helpdesk wants files in one call with
// the article, it fails with errWaits until they are there, or have taken too long.
func (h *HelpdeskCaller) withFiles(ctx context.Context, desk helpdesk.Helpdesk, e store.Effect, a conversation.Article) (conversation.Article, error) {
	patience := desk.WaitsForFiles()
	if patience == 0 || len(a.Attachments) == 0 {
		return a, nil
	}
	var fetch store.Effect
	if err := h.Store.View(ctx, func(tx *store.Tx) (err error) {
		fetch, _, err = tx.EffectByKey(conversation.MediaKey(a.ID))
		return err
	}); err != nil {
		return a, notDone(err)
	}
	list := make([]conversation.Attachment, len(a.Attachments))
	for i, one := range a.Attachments {
		list[i] = one
		if one.State != conversation.AttachmentPending || fetch.FetchMedia == nil || fetch.FetchMedia.File.ID != one.ID {
			continue
		}
		switch {
		case fetch.State == store.EffectDone:
			list[i] = conversation.Attachment{File: keptFile(fetch, fetch.RemoteID), State: conversation.AttachmentKept}
		case fetch.State > store.EffectDone:
			list[i].State, list[i].Reason = conversation.AttachmentFailed, fetch.Error
		case h.Clock.Now().Before(e.CreatedAt.Add(patience)):
			return a, errWaits
		}
	}
	a.Attachments = list
	return a, nil
}
