package cloudapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// MaxCallbackURL is how long an overriding callback URL may be, in characters.
const MaxCallbackURL = 200

// WebhookConfiguration tells where the webhooks of a phone number go. Each
// member is a URL, or empty where none is set.
type WebhookConfiguration struct {
	// PhoneNumber is the override for this number.
	PhoneNumber string
	// BusinessAccount is the override for the whole account.
	BusinessAccount string
	// Application is the callback URL of the app.
	Application string
}

type wireConfiguration struct {
	PhoneNumber     string `json:"phone_number"`
	BusinessAccount string `json:"whatsapp_business_account"`
	Application     string `json:"application"`
}

// Effective returns the URL that webhooks go to: the number's, else the
// account's, else the app's. Template and account webhooks always go to the app's.
func (w WebhookConfiguration) Effective() string {
	return cmp.Or(w.PhoneNumber, w.BusinessAccount, w.Application)
}

// WebhookConfiguration reads where the webhooks of a phone number go.
func (c *Client) WebhookConfiguration(ctx context.Context, token Token, phoneNumberID string) (WebhookConfiguration, error) {
	if err := checkAccess(token, "phone number", phoneNumberID); err != nil {
		return WebhookConfiguration{}, err
	}
	var answer struct {
		Configuration wireConfiguration `json:"webhook_configuration"`
	}
	err := c.do(ctx, call{
		method: http.MethodGet,
		path:   []string{phoneNumberID},
		query:  url.Values{"fields": {"webhook_configuration"}},
		token:  token,
	}, &answer)
	if err != nil {
		return WebhookConfiguration{}, fmt.Errorf("read the webhook configuration of phone number %s: %w", phoneNumberID, err)
	}
	return WebhookConfiguration(answer.Configuration), nil
}

// OverrideCallback makes the messages of one phone number go to a URL of its
// own, and replaces an override that is there: read it first. Meta calls the
// URL before it answers; a URL that does not answer the challenge gives an
// error of [ClassCallbackVerification], and an app that is not subscribed to
// the number's business account one of [ClassNotSubscribed].
func (c *Client) OverrideCallback(ctx context.Context, token Token, phoneNumberID, callbackURL string, verifyToken Token) error {
	if err := checkAccess(token, "phone number", phoneNumberID); err != nil {
		return err
	}
	if err := checkCallback(callbackURL, verifyToken); err != nil {
		return err
	}
	err := c.configureWebhook(ctx, token, phoneNumberID, map[string]string{
		"override_callback_uri": callbackURL,
		"verify_token":          string(verifyToken),
	}, verifyToken)
	if err != nil {
		return fmt.Errorf("set the callback URL of phone number %s: %w", phoneNumberID, err)
	}
	return nil
}

// ClearCallbackOverride takes the override of one phone number back.
func (c *Client) ClearCallbackOverride(ctx context.Context, token Token, phoneNumberID string) error {
	if err := checkAccess(token, "phone number", phoneNumberID); err != nil {
		return err
	}
	err := c.configureWebhook(ctx, token, phoneNumberID, map[string]string{"override_callback_uri": ""})
	if err != nil {
		return fmt.Errorf("clear the callback URL of phone number %s: %w", phoneNumberID, err)
	}
	return nil
}

func (c *Client) configureWebhook(ctx context.Context, token Token, phoneNumberID string, configuration map[string]string, secrets ...Token) error {
	return c.succeed(ctx, call{
		method:  http.MethodPost,
		path:    []string{phoneNumberID},
		json:    map[string]any{"webhook_configuration": configuration},
		token:   token,
		secrets: secrets,
	})
}

func checkCallback(callbackURL string, verifyToken Token) error {
	if err := checkToken("verify token", verifyToken); err != nil {
		return err
	}
	parsed, err := url.Parse(callbackURL)
	if err != nil || parsed.Scheme != "https" || parsed.Host == "" {
		return invalidf("the callback URL must be an https URL")
	}
	if len(callbackURL) > MaxCallbackURL {
		return invalidf("the callback URL has %d characters; Meta accepts at most %d", len(callbackURL), MaxCallbackURL)
	}
	return nil
}
