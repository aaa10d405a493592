package cloudapi

import (
	"context"
	"fmt"
	"net/http"
	"unicode/utf8"
)

const (
	// MaxTextLength is how long the body of a text message may be, in characters.
	MaxTextLength = 4096
	// MaxCallbackData is how long [Message.BizOpaqueCallbackData] may be, in characters.
	MaxCallbackData = 512
)

// Message is a message to send. Exactly one of To and Recipient is set, and
// exactly one content member.
type Message struct {
	// To is the customer's phone number in any writing, country code included.
	To string
	// Recipient is the customer's business-scoped user id.
	Recipient string
	// Text is the content of a text message.
	Text *Text
	// Attachment is the file of any other message.
	Attachment *Attachment
	// ReplyTo is the wamid of the message that this one answers. Optional.
	ReplyTo string
	// BizOpaqueCallbackData comes back in every status of this message, and so
	// finds the message again where the answer to the send got lost. Optional.
	BizOpaqueCallbackData string
}

// Text is the content of a text message.
type Text struct {
	Body string `json:"body"`
	// PreviewURL shows a preview of the first link in Body.
	PreviewURL bool `json:"preview_url"`
}

// Attachment is a file in a message. It was uploaded before.
type Attachment struct {
	Kind MediaKind
	// ID is what [Client.UploadMedia] returned.
	ID string
	// Caption is shown below the file. Not every kind has one, see [MediaKind.Captioned].
	Caption string
	// Filename is what the customer sees of a document besides its content.
	Filename string
}

// SentMessage is a message that Meta accepted. Whether it arrives is told by
// webhook.
type SentMessage struct {
	// ID is the wamid.
	ID string
	// WAID is the customer's phone number in digits, UserID the business-scoped
	// user id: whichever the message was sent to.
	WAID   string
	UserID string
	// Status is mostly empty, else an open string such as "accepted".
	Status string
}

// outgoing is a message as Meta wants it.
type outgoing struct {
	MessagingProduct      string           `json:"messaging_product"`
	RecipientType         string           `json:"recipient_type"`
	To                    string           `json:"to,omitempty"`
	Recipient             string           `json:"recipient,omitempty"`
	Type                  string           `json:"type"`
	Text                  *Text            `json:"text,omitempty"`
	Audio                 *outgoingMedia   `json:"audio,omitempty"`
	Document              *outgoingMedia   `json:"document,omitempty"`
	Image                 *outgoingMedia   `json:"image,omitempty"`
	Sticker               *outgoingMedia   `json:"sticker,omitempty"`
	Video                 *outgoingMedia   `json:"video,omitempty"`
	Context               *outgoingContext `json:"context,omitempty"`
	BizOpaqueCallbackData string           `json:"biz_opaque_callback_data,omitempty"`
}

type outgoingMedia struct {
	ID       string `json:"id"`
	Caption  string `json:"caption,omitempty"`
	Filename string `json:"filename,omitempty"`
}

type outgoingContext struct {
	MessageID string `json:"message_id"`
}

func (m Message) encode() (outgoing, error) {
	out := outgoing{
		MessagingProduct:      "whatsapp",
		RecipientType:         "individual",
		Recipient:             m.Recipient,
		BizOpaqueCallbackData: m.BizOpaqueCallbackData,
	}
	switch {
	case m.To == "" && m.Recipient == "":
		return out, invalidf("the message has no recipient")
	case m.To != "" && m.Recipient != "":
		return out, invalidf("the message has two recipients, a phone number and a user id: choose one")
	case m.To != "":
		digits := Digits(m.To)
		if digits == "" {
			return out, invalidf("the recipient's phone number has no digits")
		}
		// Without the plus sign Meta takes the number for a national one and
		// puts the country code of the business before it.
		out.To = "+" + digits
	}
	if utf8.RuneCountInString(m.BizOpaqueCallbackData) > MaxCallbackData {
		return out, invalidf("the callback data is longer than %d characters", MaxCallbackData)
	}
	if m.ReplyTo != "" {
		out.Context = &outgoingContext{MessageID: m.ReplyTo}
	}
	switch {
	case m.Text != nil && m.Attachment != nil:
		return out, invalidf("the message has two contents, a text and a file: choose one, or give the file a caption")
	case m.Text != nil:
		if length := utf8.RuneCountInString(m.Text.Body); length == 0 || length > MaxTextLength {
			return out, invalidf("the text has %d characters; it must have 1 to %d", length, MaxTextLength)
		}
		out.Type, out.Text = "text", m.Text
		return out, nil
	case m.Attachment != nil:
		err := m.Attachment.encode(&out)
		return out, err
	}
	return out, invalidf("the message has no content")
}

func (a Attachment) encode(out *outgoing) error {
	length := utf8.RuneCountInString(a.Caption)
	switch {
	case a.ID == "":
		return invalidf("the file has no media ID; upload it first")
	case length > MaxCaptionLength:
		return invalidf("the caption has %d characters; it must have at most %d", length, MaxCaptionLength)
	case length > 0 && !a.Kind.Captioned():
		return invalidf("WhatsApp shows no caption with %s", a.Kind)
	}
	media := &outgoingMedia{ID: a.ID, Caption: a.Caption}
	switch a.Kind {
	case MediaAudio:
		out.Audio = media
	case MediaDocument:
		media.Filename = a.Filename
		out.Document = media
	case MediaImage:
		out.Image = media
	case MediaSticker:
		out.Sticker = media
	case MediaVideo:
		out.Video = media
	default:
		return invalidf("%q is no kind of file that can be sent", a.Kind)
	}
	out.Type = string(a.Kind)
	return nil
}

// SendMessage sends one message from a phone number. Meta's answer means
// accepted, not delivered. The API knows no idempotency key: after an error,
// ask [NotSent] before sending again.
func (c *Client) SendMessage(ctx context.Context, token Token, phoneNumberID string, message Message) (SentMessage, error) {
	if err := checkAccess(token, "phone number", phoneNumberID); err != nil {
		return SentMessage{}, err
	}
	out, err := message.encode()
	if err != nil {
		return SentMessage{}, err
	}
	var answer struct {
		Contacts []struct {
			WAID   string `json:"wa_id"`
			UserID string `json:"user_id"`
		} `json:"contacts"`
		Messages []struct {
			ID     string `json:"id"`
			Status string `json:"message_status"`
		} `json:"messages"`
	}
	err = c.do(ctx, call{
		method: http.MethodPost,
		path:   []string{phoneNumberID, "messages"},
		json:   out,
		token:  token,
	}, &answer)
	if err != nil {
		return SentMessage{}, fmt.Errorf("send a message: %w", err)
	}
	if len(answer.Messages) == 0 || answer.Messages[0].ID == "" {
		return SentMessage{}, fmt.Errorf("send a message: %w", &AnswerError{HTTPStatus: http.StatusOK, Reason: "it names no message id"})
	}
	sent := SentMessage{ID: answer.Messages[0].ID, Status: answer.Messages[0].Status}
	if len(answer.Contacts) > 0 {
		sent.WAID, sent.UserID = answer.Contacts[0].WAID, answer.Contacts[0].UserID
	}
	return sent, nil
}
