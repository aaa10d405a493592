package cloudapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// SubscriptionObject is the kind of object whose webhooks an app subscribes to.
const SubscriptionObject = "whatsapp_business_account"

// AppSubscription is what an app subscribed to, and the URL it is sent to.
type AppSubscription struct {
	// Object is [SubscriptionObject] for WhatsApp.
	Object      string
	CallbackURL string
	Active      bool
	Fields      []SubscribedField
}

// SubscribedField is a webhook field with the version of its payloads.
type SubscribedField struct {
	Name    string
	Version string
}

// UnmarshalJSON reads a field from an object, or from its mere name as older
// versions have it.
func (f *SubscribedField) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &f.Name); err == nil {
		return nil
	}
	var object struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	f.Name, f.Version = object.Name, object.Version
	return nil
}

// HasField reports whether the subscription is active, is for WhatsApp and
// covers a field.
func (s AppSubscription) HasField(name string) bool {
	if !s.Active || s.Object != SubscriptionObject {
		return false
	}
	for _, field := range s.Fields {
		if field.Name == name {
			return true
		}
	}
	return false
}

// AppSubscriptions lists what an app is subscribed to. It is authorised by the
// app's id and secret, so it also proves the secret: a wrong one gives an error
// of [ClassAppSecret].
func (c *Client) AppSubscriptions(ctx context.Context, app App) ([]AppSubscription, error) {
	token, err := app.accessToken()
	if err != nil {
		return nil, err
	}
	type wire struct {
		Object      string            `json:"object"`
		CallbackURL string            `json:"callback_url"`
		Active      bool              `json:"active"`
		Fields      []SubscribedField `json:"fields"`
	}
	found, err := list[wire](ctx, c, call{
		method: http.MethodGet,
		path:   []string{app.ID, "subscriptions"},
		token:  token,
		ofApp:  true,
	})
	if err != nil {
		return nil, fmt.Errorf("list the subscriptions of app %s: %w", app.ID, err)
	}
	subscriptions := make([]AppSubscription, 0, len(found))
	for _, s := range found {
		subscriptions = append(subscriptions, AppSubscription(s))
	}
	return subscriptions, nil
}

// CreateAppSubscription subscribes an app to webhook fields of WhatsApp and
// sets the app's one callback URL. It replaces the subscription that is there:
// look with [Client.AppSubscriptions] first. Meta calls the URL before it
// answers; a URL that does not answer the challenge gives an error of
// [ClassCallbackVerification].
func (c *Client) CreateAppSubscription(ctx context.Context, app App, callbackURL string, verifyToken Token, fields []string) error {
	token, err := app.accessToken()
	if err != nil {
		return err
	}
	if err := checkCallback(callbackURL, verifyToken); err != nil {
		return err
	}
	if len(fields) == 0 {
		return invalidf("no webhook field is named")
	}
	err = c.succeed(ctx, call{
		method: http.MethodPost,
		path:   []string{app.ID, "subscriptions"},
		form: url.Values{
			"object":       {SubscriptionObject},
			"callback_url": {callbackURL},
			"verify_token": {string(verifyToken)},
			"fields":       {strings.Join(fields, ",")},
		},
		token:   token,
		secrets: []Token{verifyToken},
		ofApp:   true,
	})
	if err != nil {
		return fmt.Errorf("subscribe app %s to webhooks: %w", app.ID, err)
	}
	return nil
}

// SubscribedApp is an app that receives the webhooks of a business account.
type SubscribedApp struct {
	ID   string
	Name string
	Link string
	// OverrideCallbackURL replaces the app's own callback URL for this business
	// account. It is empty where nothing is overridden.
	OverrideCallbackURL string
}

// SubscribedApps lists the apps that receive the webhooks of a business account.
func (c *Client) SubscribedApps(ctx context.Context, token Token, businessAccountID string) ([]SubscribedApp, error) {
	if err := checkAccess(token, "business account", businessAccountID); err != nil {
		return nil, err
	}
	type wire struct {
		App struct {
			ID   string `json:"id"`
			Name string `json:"name"`
			Link string `json:"link"`
		} `json:"whatsapp_business_api_data"`
		OverrideCallbackURL string `json:"override_callback_uri"`
	}
	found, err := list[wire](ctx, c, call{
		method: http.MethodGet,
		path:   []string{businessAccountID, "subscribed_apps"},
		token:  token,
	})
	if err != nil {
		return nil, fmt.Errorf("list the apps subscribed to business account %s: %w", businessAccountID, err)
	}
	apps := make([]SubscribedApp, 0, len(found))
	for _, f := range found {
		apps = append(apps, SubscribedApp{ID: f.App.ID, Name: f.App.Name, Link: f.App.Link, OverrideCallbackURL: f.OverrideCallbackURL})
	}
	return apps, nil
}

// SubscribeApp makes the token's app receive the webhooks of a business account,
// without which none is delivered. For an app that is subscribed already it
// takes back an override of the account's callback URL: look with
// [Client.SubscribedApps] first.
func (c *Client) SubscribeApp(ctx context.Context, token Token, businessAccountID string) error {
	if err := checkAccess(token, "business account", businessAccountID); err != nil {
		return err
	}
	err := c.succeed(ctx, call{
		method: http.MethodPost,
		path:   []string{businessAccountID, "subscribed_apps"},
		token:  token,
	})
	if err != nil {
		return fmt.Errorf("subscribe the app to business account %s: %w", businessAccountID, err)
	}
	return nil
}

func checkAccess(token Token, what, id string) error {
	if err := checkToken("access token", token); err != nil {
		return err
	}
	return checkID(what, id)
}
