package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func attachments(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	first := conversation.Attachment{
		File:  conversation.File{ID: "f1", Kind: "image", Name: "a.jpg", MIMEType: "image/jpeg"},
		State: conversation.AttachmentPending,
	}
	second := conversation.Attachment{File: conversation.File{ID: "f2", Kind: "audio"}, State: conversation.AttachmentKept}
	var ticket int64
	for range 2 {
		update(t, s, func(tx *store.Tx) (err error) {
			if ticket, err = tx.AddTicket(store.Ticket{Marker: "c1/1", Conversation: "c1", Epoch: 1, CreatedAt: At}); err != nil {
				return err
			}
			return errors.Join(
				tx.AddArticle(ticket, store.Article{Marker: "w1", WrittenAt: At}, At),
				tx.AddAttachments("w1", []conversation.Attachment{first, second}),
			)
		})
	}
	first.Size, first.SHA256, first.State, first.Reason = 5, "abc", conversation.AttachmentFailed, "why"
	update(t, s, func(tx *store.Tx) error { return tx.SetAttachment(first) })
	view(t, s, func(tx *store.Tx) error {
		list, err := tx.Attachments("w1")
		if err != nil {
			return err
		}
		if diff := cmp.Diff([]conversation.Attachment{first, second}, list); diff != "" {
			t.Errorf("attachments (-want +got):\n%s", diff)
		}
		got, found, err := tx.AttachmentOf(ticket, "f2")
		if err != nil || !found || got != second {
			t.Errorf("one of them: %+v, %v", got, found)
		}
		if _, found, err := tx.AttachmentOf(ticket+1, "f2"); err != nil || found {
			t.Errorf("of another ticket: %v, %v", found, err)
		}
		for id, want := range map[string]bool{"f1": true, "f3": false} {
			if found, err := tx.HasAttachment(id); err != nil || found != want {
				t.Errorf("%s: %v, %v", id, found, err)
			}
		}
		return nil
	})
}
