package outbox

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/version"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Account is what messages are sent with.
type Account struct {
	BaseURL       string
	Version       string
	RootCAs       *x509.CertPool
	AccessToken   cloudapi.Token
	PhoneNumberID string
}

// GraphCaller sends messages through the Graph API.
type GraphCaller struct {
	// Account returns what to send with at present.
	Account func() Account
	// Store knows what was uploaded, and Files holds what is to be.
	Store store.Store
	Files *media.Dir

	mu     sync.Mutex
	client *cloudapi.Client
	of     Account
}

var errNoToken = errors.New("there is no access token; put one into the channel's Secret")

// Call implements Caller.
func (g *GraphCaller) Call(ctx context.Context, e store.Effect, state conversation.State) (string, error) {
	account := g.Account()
	if account.AccessToken == "" || account.PhoneNumberID == "" {
		return "", errNoToken
	}
	client, err := g.clientOf(account)
	if err != nil {
		return "", err
	}
	if e.UploadMedia != nil {
		return g.upload(ctx, client, account, e.UploadMedia.File)
	}
	phone, userID := state.Customer.Address()
	message := cloudapi.Message{To: phone, Recipient: userID, BizOpaqueCallbackData: e.Key}
	if e.SendText.File == nil {
		message.Text = &cloudapi.Text{Body: e.SendText.Text}
	} else if message.Attachment, err = g.attachment(ctx, e); err != nil {
		return "", err
	}
	sent, err := client.SendMessage(ctx, account.AccessToken, account.PhoneNumberID, message)
	return sent.ID, err
}

// clientOf returns a client whose connections are kept as long as it calls the same server.
func (g *GraphCaller) clientOf(a Account) (*cloudapi.Client, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.client != nil && g.of.BaseURL == a.BaseURL && g.of.Version == a.Version && g.of.RootCAs == a.RootCAs {
		return g.client, nil
	}
	client, err := cloudapi.NewClient(cloudapi.Options{
		BaseURL: a.BaseURL, Version: a.Version, RootCAs: a.RootCAs, UserAgent: version.UserAgent(),
	})
	if err != nil {
		return nil, err
	}
	if g.client != nil {
		g.client.CloseIdleConnections()
	}
	g.client, g.of = client, a
	return client, nil
}

// Close closes the connections that are kept.
func (g *GraphCaller) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.client != nil {
		g.client.CloseIdleConnections()
	}
}

// Find implements Caller. WhatsApp cannot be asked about a message: its status comes by webhook, which ends the doubt
// without this.
func (g *GraphCaller) Find(context.Context, store.Effect) (string, bool, error) {
	return "", false, nil
}

// Judge implements Caller.
func (g *GraphCaller) Judge(err error) Verdict {
	if errors.Is(err, errNoToken) {
		return Verdict{Means: StopUntilChanged, Reason: err.Error()}
	}
	var lost *lostError
	if errors.As(err, &lost) {
		return Verdict{Means: Refused, Reason: err.Error()}
	}
	v := Verdict{Reason: err.Error(), After: cloudapi.RetryAfter(err)}
	if !cloudapi.NotSent(err) {
		v.Means = InDoubt
		return v
	}
	switch class := cloudapi.ClassOf(err); class {
	case cloudapi.ClassInvalidToken:
		v.Means = StopUntilChanged
	case cloudapi.ClassPermission, cloudapi.ClassPolicy, cloudapi.ClassPayment, cloudapi.ClassNotRegistered, cloudapi.ClassNotFound:
		v.Means = Stop
	case cloudapi.ClassWindowClosed, cloudapi.ClassUndeliverable, cloudapi.ClassLimited, cloudapi.ClassMedia:
		v.Means = Refused
	default:
		v.Means = Dead
		if class.Retryable() {
			v.Means = TryAgain
		}
	}
	return v
}
