//go:build contract

package contract

import (
	"context"
	"strconv"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

const (
	token       = cloudapi.Token("EAAcontract")
	account     = "102290129340398"
	phoneNumber = "106540352242922"
	media       = "2621233374848975"
	callbackURL = "https://wa.example.com/helpdesk/support"
)

// decoded is what the client took out of an answer, by the path it should come
// from, as in "data.0.id".
type decoded map[string]string

// An operation is one call of the client. Another call is another line in
// operations.
type operation struct {
	name string
	call func(context.Context, *cloudapi.Client) (decoded, error)
	// document is the slice that has the path, phoneSlice unless told.
	document string
	// example names the answer that Prism is to give, where its first is of
	// another operation on the same path.
	example string
	// known is a difference between the document and Meta.
	known *difference
	// errors are the errors that the document has for the operation.
	errors []forced
}

// A difference is something that the document refuses and Meta accepts;
// docs/contract.md says why.
type difference struct {
	// violation is what Prism says to the request.
	violation string
	// repair takes the difference out of the request's body. Prism must accept
	// the rest.
	repair func(body map[string]any)
}

// A forced error is one that Prism is told to answer with.
type forced struct {
	status int
	// example names one of several errors of this status.
	example string
	class   cloudapi.Class
}

var common = []forced{
	{status: 400, class: cloudapi.ClassInvalidRequest},
	{status: 401, class: cloudapi.ClassInvalidToken},
	{status: 403, class: cloudapi.ClassPermission},
	{status: 404, class: cloudapi.ClassNotFound},
	{status: 422, class: cloudapi.ClassInvalidRequest},
	{status: 429, class: cloudapi.ClassThrottled},
	{status: 500, class: cloudapi.ClassTransient},
}

var ofPhoneNumber = append([]forced{
	{status: 401, example: "expired_token", class: cloudapi.ClassInvalidToken},
	{status: 401, example: "missing_token", class: cloudapi.ClassInvalidToken},
	{status: 403, example: "not_linked_to_waba", class: cloudapi.ClassPermission},
	{status: 429, example: "user_rate_limit", class: cloudapi.ClassThrottled},
	{status: 429, example: "business_rate_limit", class: cloudapi.ClassThrottled},
}, common...)

var operations = []operation{
	{name: "list phone numbers", call: phoneNumbers, errors: common},
	{name: "list the only phone number", call: phoneNumbers, example: "single_phone_number"},
	{name: "list phone numbers with proof of the app secret", call: withProof(phoneNumbers)},
	{name: "list subscribed apps", call: subscribedApps, errors: common},
	{name: "list no subscribed apps", call: subscribedApps, example: "no_subscriptions"},
	{name: "subscribe the app", call: subscribeApp, errors: common},
	{name: "read the webhook configuration", call: webhookConfiguration, errors: ofPhoneNumber},
	{name: "override the callback URL", call: overrideCallback, example: "settings_updated", errors: common},
	{name: "clear the callback URL", call: clearCallback, example: "settings_updated", known: emptyURL},
	{name: "send a text", call: send(cloudapi.Message{To: "+1 650-555-1234", Text: text})},
	{name: "send a text with a link", call: send(cloudapi.Message{To: "16505551234", Text: link})},
	{name: "answer a message", call: send(cloudapi.Message{To: "16505551234", Text: text, ReplyTo: "wamid.abc"})},
	{name: "send with callback data", call: send(cloudapi.Message{To: "16505551234", Text: text, BizOpaqueCallbackData: "effect"}), known: callbackData},
	{name: "send a picture", call: send(attachment(cloudapi.Attachment{Kind: cloudapi.MediaImage, ID: media, Caption: "Our shop"}))},
	{name: "send a document", call: send(attachment(cloudapi.Attachment{Kind: cloudapi.MediaDocument, ID: media, Caption: "Your bill", Filename: "bill.pdf"}))},
	{name: "send a film", call: send(attachment(cloudapi.Attachment{Kind: cloudapi.MediaVideo, ID: media}))},
	{name: "send a sound", call: send(attachment(cloudapi.Attachment{Kind: cloudapi.MediaAudio, ID: media}))},
	{name: "send a sticker", call: send(attachment(cloudapi.Attachment{Kind: cloudapi.MediaSticker, ID: media}))},
	{name: "upload a file", call: uploadMedia, example: "Upload Image JSON"},
	{name: "look up a file", call: lookUpMedia, document: mediaSlice},
	{name: "send to a user id", call: send(cloudapi.Message{Recipient: "US.13491208655302741918", Text: text}), known: userID},
}

// The known differences. The document is of version 23.0.
var (
	emptyURL = &difference{
		violation: `Request body property webhook_configuration.override_callback_uri must match format "uri"`,
		repair: func(body map[string]any) {
			if configuration, ok := body["webhook_configuration"].(map[string]any); ok {
				configuration["override_callback_uri"] = callbackURL
			}
		},
	}
	callbackData = &difference{
		violation: "Request body must NOT have additional properties; found 'biz_opaque_callback_data'",
		repair:    func(body map[string]any) { delete(body, "biz_opaque_callback_data") },
	}
	userID = &difference{
		violation: "Request body must NOT have additional properties; found 'recipient'",
		repair:    func(body map[string]any) { body["to"] = body["recipient"]; delete(body, "recipient") },
	}
)

var (
	text = &cloudapi.Text{Body: "Good day 👋"}
	link = &cloudapi.Text{Body: "See https://example.com", PreviewURL: true}
)

// withProof makes a call that proves the app secret.
func withProof(call func(context.Context, *cloudapi.Client) (decoded, error)) func(context.Context, *cloudapi.Client) (decoded, error) {
	return func(ctx context.Context, c *cloudapi.Client) (decoded, error) {
		return call(ctx, c.WithAppSecret(appSecret))
	}
}

func attachment(file cloudapi.Attachment) cloudapi.Message {
	return cloudapi.Message{To: "16505551234", Attachment: &file}
}

func uploadMedia(ctx context.Context, c *cloudapi.Client) (decoded, error) {
	content := "%PDF-1.7"
	id, err := c.UploadMedia(ctx, token, phoneNumber, cloudapi.Upload{
		Name: "bill.pdf", MIMEType: "application/pdf", Size: int64(len(content)), Content: strings.NewReader(content),
	})
	return decoded{"id": id}, err
}

// lookUpMedia leaves the hash out: that of the document's example is none.
func lookUpMedia(ctx context.Context, c *cloudapi.Client) (decoded, error) {
	file, err := c.Media(ctx, token, media)
	return decoded{"id": file.ID, "mime_type": file.MIMEType, "url": file.URL, "file_size": strconv.FormatInt(file.Size, 10)}, err
}

func phoneNumbers(ctx context.Context, c *cloudapi.Client) (decoded, error) {
	numbers, err := c.PhoneNumbers(ctx, token, account)
	found := decoded{}
	for i, n := range numbers {
		at := "data." + strconv.Itoa(i) + "."
		found[at+"id"] = n.ID
		found[at+"display_phone_number"] = n.DisplayPhoneNumber
		found[at+"verified_name"] = n.VerifiedName
		found[at+"quality_rating"] = n.QualityRating
		found[at+"code_verification_status"] = n.CodeVerificationStatus
		found[at+"name_status"] = n.NameStatus
	}
	found["data."+strconv.Itoa(len(numbers))] = ""
	return found, err
}

func subscribedApps(ctx context.Context, c *cloudapi.Client) (decoded, error) {
	apps, err := c.SubscribedApps(ctx, token, account)
	found := decoded{}
	for i, a := range apps {
		at := "data." + strconv.Itoa(i) + "."
		found[at+"whatsapp_business_api_data.id"] = a.ID
		found[at+"whatsapp_business_api_data.name"] = a.Name
		found[at+"whatsapp_business_api_data.link"] = a.Link
		found[at+"override_callback_uri"] = a.OverrideCallbackURL
	}
	found["data."+strconv.Itoa(len(apps))] = ""
	return found, err
}

func subscribeApp(ctx context.Context, c *cloudapi.Client) (decoded, error) {
	return decoded{"success": "true"}, c.SubscribeApp(ctx, token, account)
}

// webhookConfiguration is a field that the document knows in requests but not
// in answers, so all there is to see is that Prism accepts the question.
func webhookConfiguration(ctx context.Context, c *cloudapi.Client) (decoded, error) {
	configuration, err := c.WebhookConfiguration(ctx, token, phoneNumber)
	return decoded{"webhook_configuration.phone_number": configuration.PhoneNumber}, err
}

func overrideCallback(ctx context.Context, c *cloudapi.Client) (decoded, error) {
	return decoded{"success": "true"}, c.OverrideCallback(ctx, token, phoneNumber, callbackURL, "verify-me")
}

func clearCallback(ctx context.Context, c *cloudapi.Client) (decoded, error) {
	return decoded{"success": "true"}, c.ClearCallbackOverride(ctx, token, phoneNumber)
}

func send(message cloudapi.Message) func(context.Context, *cloudapi.Client) (decoded, error) {
	return func(ctx context.Context, c *cloudapi.Client) (decoded, error) {
		sent, err := c.SendMessage(ctx, token, phoneNumber, message)
		return decoded{"messages.0.id": sent.ID, "contacts.0.wa_id": sent.WAID}, err
	}
}
