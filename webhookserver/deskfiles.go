package webhookserver

import (
	"context"
	"errors"
	"io"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
)

// deskFiles lends the files of articles to a helpdesk.
type deskFiles struct{ media.Files }

var _ helpdesk.Files = deskFiles{}

// Open implements helpdesk.Files.
func (d deskFiles) Open(ctx context.Context, id string) (io.ReadCloser, error) {
	file, err := d.Files.Open(ctx, id)
	if errors.Is(err, media.ErrNoFile) {
		return nil, helpdesk.ErrNoFile
	}
	return file, err
}

// Keep implements helpdesk.Files.
func (d deskFiles) Keep(ctx context.Context, source, name, mimeType string, content io.Reader) (conversation.File, error) {
	draft, err := d.Draft(ctx)
	if err != nil {
		return conversation.File{}, err
	}
	defer draft.Discard()
	file, err := media.Sendable{Name: name, Type: mimeType, Content: content}.CopyTo(draft)
	var unsendable *media.UnsendableError
	if errors.As(err, &unsendable) {
		return conversation.File{}, &helpdesk.RefusedError{Reason: unsendable.Reason}
	}
	if err != nil {
		return conversation.File{}, err
	}
	file.ID, file.Size, file.SHA256 = conversation.FileID("helpdesk/"+source), draft.Size(), draft.SHA256()
	return file, draft.Keep(file.ID)
}
