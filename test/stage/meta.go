package stage

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

const (
	graphHost  = "meta.meta.svc"
	graphURL   = "https://" + graphHost
	controlURL = "http://" + graphHost + ":8081"
)

//go:embed meta.yaml
var metaManifests string

// Seed is what exists at Meta from the start, in the form of the simulator's seed file.
type Seed struct {
	Apps             []App             `json:"apps"`
	BusinessAccounts []BusinessAccount `json:"businessAccounts"`
	PhoneNumbers     []PhoneNumber     `json:"phoneNumbers"`
	Tokens           []Token           `json:"tokens"`
}

// App is an app at Meta.
type App struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Secret string `json:"secret"`
}

// BusinessAccount is a WhatsApp Business Account.
type BusinessAccount struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// PhoneNumber is a phone number of a business account.
type PhoneNumber struct {
	ID                 string `json:"id"`
	BusinessAccountID  string `json:"businessAccountID"`
	DisplayPhoneNumber string `json:"displayPhoneNumber"`
	VerifiedName       string `json:"verifiedName"`
}

// Token is an access token with both of WhatsApp's permissions.
type Token struct {
	Value string `json:"value"`
	AppID string `json:"appID"`
}

// SentMessage is a message that a customer got from a business.
type SentMessage struct {
	ID   string
	Type string
	Text string
}

// Failure is how calls to the Graph API fail: with one of Meta's error codes, or with an HTTP status and a web page.
type Failure struct {
	Code       int `json:"code,omitempty"`
	HTTPStatus int `json:"httpStatus,omitempty"`
}

// Meta is the simulator in the cluster. Graph is the API that the operator and the receivers use.
type Meta struct {
	Graph *cloudapi.Client

	control *control
}

// StartMeta starts the simulator and waits until it serves. It trusts callback URLs that the authority certifies.
func (c *Cluster) StartMeta(ctx context.Context, authority *Authority, seed Seed) (*Meta, error) {
	if err := c.Namespace(ctx, MetaNamespace); err != nil {
		return nil, err
	}
	if err := c.publishAuthority(ctx, MetaNamespace, authority); err != nil {
		return nil, err
	}
	if err := c.TLSSecret(ctx, authority, MetaNamespace, "meta-tls", graphHost); err != nil {
		return nil, err
	}
	text, err := json.Marshal(seed)
	if err != nil {
		return nil, err
	}
	secret := corev1ac.Secret("meta-seed", MetaNamespace).WithType(corev1.SecretTypeOpaque).WithData(map[string][]byte{"seed.json": text})
	if err := c.Apply(ctx, secret, fieldOwner, client.ForceOwnership); err != nil {
		return nil, err
	}
	if _, err := c.KubectlInput(ctx, metaManifests, "apply", "--server-side", "-f", "-"); err != nil {
		return nil, err
	}
	if err := c.rolledOut(ctx, MetaNamespace, "meta"); err != nil {
		return nil, err
	}
	graph, err := cloudapi.NewClient(cloudapi.Options{BaseURL: graphURL, HTTPClient: c.HTTPClient(authority.Pool())})
	if err != nil {
		return nil, err
	}
	return &Meta{Graph: graph, control: &control{client: c.HTTPClient(nil), url: controlURL}}, nil
}

// CustomerWrites lets a customer send a text message to a business phone number.
func (m *Meta) CustomerWrites(ctx context.Context, customerPhone, name, phoneNumberID, text string) error {
	return m.control.call(ctx, http.MethodPost, "/customers/"+url.PathEscape(customerPhone)+"/messages",
		map[string]string{"to": phoneNumberID, "name": name, "text": text}, nil)
}

// Received lists the messages that a customer got, in order.
func (m *Meta) Received(ctx context.Context, customerPhone string) ([]SentMessage, error) {
	var received []SentMessage
	err := m.control.call(ctx, http.MethodGet, "/customers/"+url.PathEscape(customerPhone)+"/messages", nil, &received)
	return received, err
}

// Fail makes all calls to the Graph API fail until Heal.
func (m *Meta) Fail(ctx context.Context, failure Failure) error {
	return m.control.call(ctx, http.MethodPost, "/failures", failure, nil)
}

// Heal ends what Fail began.
func (m *Meta) Heal(ctx context.Context) error {
	return m.control.call(ctx, http.MethodDelete, "/failures", nil, nil)
}

// IssueToken makes an access token valid.
func (m *Meta) IssueToken(ctx context.Context, token Token) error {
	return m.control.call(ctx, http.MethodPost, "/tokens", token, nil)
}

// RevokeToken makes an access token invalid.
func (m *Meta) RevokeToken(ctx context.Context, value string) error {
	return m.control.call(ctx, http.MethodPost, "/tokens/revoke", map[string]string{"value": value}, nil)
}

// ResetAppSecret replaces an app's secret: webhooks are signed with the new one from now on.
func (m *Meta) ResetAppSecret(ctx context.Context, appID, secret string) error {
	return m.control.call(ctx, http.MethodPut, "/apps/"+url.PathEscape(appID)+"/secret", map[string]string{"secret": secret}, nil)
}
