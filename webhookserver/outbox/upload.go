package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// awayRetry is how long a file waits while Meta answers nothing at all.
const awayRetry = 30 * time.Second

// lostError is the cause of a file that will never be sent.
type lostError struct {
	reason string
	// dead tells that a person may still bring it on its way.
	dead bool
}

func (e *lostError) Error() string { return e.reason }

// transferError is the cause of a file that did not come through this time.
type transferError struct {
	error
	// away tells that nothing else would have come through either.
	away bool
}

func (e *transferError) Unwrap() error { return e.error }

// upload brings a file to WhatsApp and returns its media ID there.
func (g *GraphCaller) upload(ctx context.Context, account Account, f conversation.File) (id string, err error) {
	called := false
	err = g.prove(account, func(client *cloudapi.Client) error {
		content, err := g.Files.Open(ctx, f.ID)
		if errors.Is(err, media.ErrNoFile) {
			return &lostError{reason: "The receiver no longer has the file; attach it to a new reply."}
		}
		if err != nil {
			return err
		}
		defer func() { _ = content.Close() }()
		called = true
		id, err = client.UploadMedia(ctx, account.AccessToken, account.PhoneNumberID, cloudapi.Upload{
			Name: f.Name, MIMEType: f.MIMEType, Size: f.Size, Content: content,
		})
		return err
	})
	if called && cloudapi.ClassOf(err) == cloudapi.ClassTransient {
		err = &transferError{error: err, away: !g.answers(ctx, account)}
	}
	return id, err
}

// answers tells whether Meta answers a call that moves no file.
func (g *GraphCaller) answers(ctx context.Context, account Account) bool {
	// The time for the file may be over, and that of the lease is longer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	return cloudapi.ClassOf(g.prove(account, func(client *cloudapi.Client) error {
		_, err := client.WebhookConfiguration(ctx, account.AccessToken, account.PhoneNumberID)
		return err
	})) != cloudapi.ClassTransient
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
		return nil, &lostError{
			reason: fmt.Sprintf("The file %q could not be brought to WhatsApp: %s", enclosed.File.Name, uploaded.Error),
			dead:   uploaded.State == store.EffectDead,
		}
	}
	return &cloudapi.Attachment{
		Kind: cloudapi.MediaKind(enclosed.File.Kind), ID: uploaded.RemoteID, Caption: e.SendText.Text, Filename: enclosed.File.Name,
	}, nil
}
