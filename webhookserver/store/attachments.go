package store

import (
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// AddAttachments names the files of an article of the built-in inbox. What is there stays as it is.
func (tx *Tx) AddAttachments(article string, list []conversation.Attachment) error {
	for i, a := range list {
		if err := tx.put(`INSERT INTO attachment (id, article, position, kind, name, mime_type, size, sha256, state, reason)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			a.ID, article, i, a.Kind, a.Name, a.MIMEType, a.Size, a.SHA256, string(a.State), a.Reason); err != nil {
			return err
		}
	}
	return nil
}

// SetAttachment notes what became of an attachment.
func (tx *Tx) SetAttachment(a conversation.Attachment) error {
	return tx.put(`UPDATE attachment SET size = ?, sha256 = ?, state = ?, reason = ? WHERE id = ?`,
		a.Size, a.SHA256, string(a.State), a.Reason, a.ID)
}

const attachmentColumns = `id, kind, name, mime_type, size, sha256, state, reason`

func scanAttachment(scan func(...any) error) (a conversation.Attachment, err error) {
	err = scan(&a.ID, &a.Kind, &a.Name, &a.MIMEType, &a.Size, &a.SHA256, &a.State, &a.Reason)
	return a, err
}

// Attachments returns the attachments of an article in their order.
func (tx *Tx) Attachments(article string) ([]conversation.Attachment, error) {
	return rows(tx, scanAttachment, `SELECT `+attachmentColumns+` FROM attachment WHERE article = ? ORDER BY position`, article)
}

// AttachmentOf returns an attachment of one of a ticket's articles, and whether there is one of this ID.
func (tx *Tx) AttachmentOf(ticket int64, id string) (conversation.Attachment, bool, error) {
	list, err := rows(tx, scanAttachment, `SELECT `+attachmentColumns+` FROM attachment
		WHERE id = ? AND article IN (SELECT marker FROM article WHERE ticket = ?)`, id, ticket)
	if err != nil || len(list) == 0 {
		return conversation.Attachment{}, false, err
	}
	return list[0], true, nil
}

// HasAttachment tells whether an article has a file of this ID.
func (tx *Tx) HasAttachment(id string) (bool, error) {
	var one int64
	return tx.row(`SELECT 1 FROM attachment WHERE id = ?`, []any{id}, &one)
}

// Lagging tells whether there is an effect from before a time that is not carried out: one that waits, or a dead one.
func (tx *Tx) Lagging(before time.Time) (bool, error) {
	var one int64
	return tx.row(`SELECT 1 FROM effect WHERE (state IN (0, 1, 2, 3) OR state = 6) AND created_at < ? LIMIT 1`, []any{millis(before)}, &one)
}

// FileOf returns a file of a conversation by what was to be done with it, and whether there is one: what became of a
// file that a customer sent, or one that an agent attached.
func (tx *Tx) FileOf(conversationID, id string) (conversation.Attachment, bool, error) {
	effects, err := rows(tx, scanEffect, `SELECT `+effectColumns+` FROM effect
		WHERE conversation = ? AND destination IN ('media', 'graph') AND kind IN ('fetch-media', 'upload-media') ORDER BY id DESC`, conversationID)
	if err != nil {
		return conversation.Attachment{}, false, err
	}
	for _, e := range effects {
		switch {
		case e.UploadMedia != nil && e.UploadMedia.File.ID == id:
			return conversation.Attachment{File: e.UploadMedia.File, State: conversation.AttachmentKept}, true, nil
		case e.FetchMedia == nil || e.FetchMedia.File.ID != id:
			continue
		}
		a := conversation.Attachment{File: e.FetchMedia.File, State: conversation.AttachmentPending}
		switch {
		case e.State == EffectDone:
			a.State = conversation.AttachmentKept
		case e.State > EffectDone:
			a.State, a.Reason = conversation.AttachmentFailed, e.Error
		}
		return a, true, nil
	}
	return conversation.Attachment{}, false, nil
}
