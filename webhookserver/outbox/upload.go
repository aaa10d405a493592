package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// lostError is the cause of a file that will never be sent.
type lostError struct{ reason string }

func (e *lostError) Error() string { return e.reason }

// upload brings a file to WhatsApp and returns its media ID there.
func (g *GraphCaller) upload(ctx context.Context, account Account, f conversation.File) (id string, err error) {
	err = g.prove(account, func(client *cloudapi.Client) error {
		content, err := g.Files.Open(ctx, f.ID)
		if errors.Is(err, media.ErrNoFile) {
			return &lostError{"The receiver no longer has the file; attach it to a new reply."}
		}
		if err != nil {
			return err
		}
		defer func() { _ = content.Close() }()
		id, err = client.UploadMedia(ctx, account.AccessToken, account.PhoneNumberID, cloudapi.Upload{
			Name: f.Name, MIMEType: f.MIMEType, Size: f.Size, Content: content,
		})
		return err
	})
	return id, err
}

// attachment returns the file of a message, which the lane's order has uploaded before.
func (g *GraphCaller) attachment(ctx context.Context, e store.Effect) (*cloudapi.Attachment, error) {
	enclosed := e.SendText.File
	var uploaded store.Effect
	if err := g.Store.View(ctx, func(tx *store.Tx) (err error) {
		uploaded, _, err = tx.EffectByKey(enclosed.Upload)
		return err
	}); err != nil {
		return nil, err
	}
	if uploaded.RemoteID == "" {
		return nil, &lostError{fmt.Sprintf("The file %q could not be brought to WhatsApp: %s", enclosed.File.Name, uploaded.Error)}
	}
	return &cloudapi.Attachment{
		Kind: cloudapi.MediaKind(enclosed.File.Kind), ID: uploaded.RemoteID, Caption: e.SendText.Text, Filename: enclosed.File.Name,
	}, nil
}
