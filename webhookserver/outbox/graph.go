package outbox

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
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
	// AppSecrets prove that calls come from who holds the token's app: the present one, and during a rotation the one
	// before.
	AppSecrets []cloudapi.Token
}

// GraphCaller sends messages through the Graph API.
type GraphCaller struct {
	// Account returns what to send with at present.
	Account func() Account
	// Store knows what was uploaded, and Files holds what is to be.
	Store store.Store
	Files media.Files

	mu     sync.Mutex
	client *cloudapi.Client
	of     Account
	// proven is the app secret that was accepted last.
	proven cloudapi.Token
}

var errNoToken = errors.New("there is no access token; put one into the channel's Secret")

// Call implements Caller.
func (g *GraphCaller) Call(ctx context.Context, e store.Effect, state conversation.State) (string, error) {
	account := g.Account()
	if account.AccessToken == "" || account.PhoneNumberID == "" {
		return "", errNoToken
	}
	if e.UploadMedia != nil {
		return g.upload(ctx, account, e.UploadMedia.File)
	}
	phone, userID := state.Customer.Address()
	message := cloudapi.Message{To: phone, Recipient: userID, BizOpaqueCallbackData: e.Key}
	if e.SendText.File == nil {
		message.Text = &cloudapi.Text{Body: e.SendText.Text}
	} else {
		var err error
		if message.Attachment, err = g.attachment(ctx, e); err != nil {
			return "", err
		}
	}
	var sent cloudapi.SentMessage
	err := g.prove(account, func(client *cloudapi.Client) (err error) {
		sent, err = client.SendMessage(ctx, account.AccessToken, account.PhoneNumberID, message)
		return err
	})
	return sent.ID, err
}

// prove makes a call with a proof of the app secret. Which of two secrets is the app's during a rotation only Meta
// knows, and a call that it refuses for that was not carried out.
func (g *GraphCaller) prove(account Account, call func(*cloudapi.Client) error) error {
	client, err := g.clientOf(account)
	if err != nil {
		return err
	}
	g.mu.Lock()
	secrets := slices.Clone(account.AppSecrets)
	if i := slices.Index(secrets, g.proven); i > 0 {
		secrets[0], secrets[i] = secrets[i], secrets[0]
	}
	g.mu.Unlock()
	if len(secrets) == 0 {
		return call(client)
	}
	for _, secret := range secrets {
		err = call(client.WithAppSecret(secret))
		if cloudapi.ClassOf(err) == cloudapi.ClassAppSecret {
			continue
		}
		g.mu.Lock()
		g.proven = secret
		g.mu.Unlock()
		return err
	}
	return fmt.Errorf("%s: %w", secretRefused, err)
}

// secretRefused is what an admin is told where no app secret is the one of the token's app.
const secretRefused = "the access token and the app secret are not of the same app; put those of one app into the channel's Secret"

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

// whatToDo tells admins what mends the errors that stop all sending.
var whatToDo = map[cloudapi.Class]string{
	cloudapi.ClassInvalidToken:  "Generate a new token for the system user and put it into the channel's Secret.",
	cloudapi.ClassPermission:    "Give the system user of the access token the permission whatsapp_business_messaging and access to the business account.",
	cloudapi.ClassNotFound:      "Look in WhatsApp Manager whether the phone number is still there, and whether the system user of the access token may see it.",
	cloudapi.ClassPolicy:        "Meta limits or blocks this number or account: see Account quality in WhatsApp Manager for why, and how to have it reviewed.",
	cloudapi.ClassPayment:       "Put the payment method of the business account in order in WhatsApp Manager.",
	cloudapi.ClassNotRegistered: "Register the phone number for the Cloud API in WhatsApp Manager.",
	cloudapi.ClassThrottled:     "The app made too many calls for now; sending goes on by itself.",
}

// Judge implements Caller.
func (g *GraphCaller) Judge(err error) Verdict {
	if errors.Is(err, errNoToken) {
		return Verdict{Means: StopUntilChanged, Reason: err.Error()}
	}
	var lost *lostError
	if errors.As(err, &lost) {
		if lost.dead {
			return Verdict{Means: Dead, Reason: err.Error()}
		}
		return Verdict{Means: Refused, Reason: err.Error()}
	}
	var transfer *transferError
	if errors.As(err, &transfer) {
		v := Verdict{Means: Stuck, Reason: err.Error(), After: cloudapi.RetryAfter(err)}
		if transfer.away {
			v.Means, v.After = NotYet, max(v.After, awayRetry)
		}
		return v
	}
	class := cloudapi.ClassOf(err)
	v := Verdict{Reason: err.Error(), After: cloudapi.RetryAfter(err)}
	if todo, known := whatToDo[class]; known {
		v.Reason += ". " + todo
	}
	if !cloudapi.NotSent(err) {
		v.Means = InDoubt
		return v
	}
	switch class {
	case cloudapi.ClassInvalidToken, cloudapi.ClassAppSecret:
		v.Means = StopUntilChanged
	case cloudapi.ClassThroughput:
		v.Means = NumberTooFast
	case cloudapi.ClassPairRate:
		v.Means = CustomerTooFast
	case cloudapi.ClassWindowClosed, cloudapi.ClassUndeliverable, cloudapi.ClassLimited, cloudapi.ClassMedia:
		v.Means = Refused
	default:
		switch {
		case stopsAll(class):
			v.Means = Stop
		case class.Retryable():
			v.Means = TryAgain
		default:
			v.Means = Dead
		}
	}
	return v
}

// stopsAll tells the failures that every other message would meet, too.
func stopsAll(class cloudapi.Class) bool {
	switch class {
	case cloudapi.ClassPermission, cloudapi.ClassPolicy, cloudapi.ClassPayment, cloudapi.ClassNotRegistered, cloudapi.ClassNotFound,
		cloudapi.ClassThrottled:
		return true
	}
	return false
}
