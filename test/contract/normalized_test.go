//go:build contract

package contract

import (
	"cmp"
	"encoding/json"
	"strings"
)

// normalized is what normalizeWebhook of @kapso/whatsapp-cloud-api gives. Its
// names are Meta's in camel case.
type normalized struct {
	Messages []normalizedMessage `json:"messages"`
	Statuses []normalizedStatus  `json:"statuses"`
	Contacts []normalizedContact `json:"contacts"`
	Problem  string              `json:"problem"`
}

type normalizedMessage struct {
	ID               string                  `json:"id"`
	Type             string                  `json:"type"`
	Timestamp        plain                   `json:"timestamp"`
	From             string                  `json:"from"`
	FromUserID       string                  `json:"fromUserId"`
	FromParentUserID string                  `json:"fromParentUserId"`
	GroupID          string                  `json:"groupId"`
	Text             struct{ Body string }   `json:"text"`
	Image            *normalizedMedia        `json:"image"`
	Video            *normalizedMedia        `json:"video"`
	Audio            *normalizedMedia        `json:"audio"`
	Document         *normalizedMedia        `json:"document"`
	Sticker          *normalizedMedia        `json:"sticker"`
	Location         normalizedLocation      `json:"location"`
	Reaction         normalizedReaction      `json:"reaction"`
	Context          normalizedContext       `json:"context"`
	Interactive      normalizedInteractive   `json:"interactive"`
	Button           normalizedButton        `json:"button"`
	Contacts         []normalizedAddress     `json:"contacts"`
	Order            normalizedOrder         `json:"order"`
	System           normalizedSystem        `json:"system"`
	Edit             normalizedEdit          `json:"edit"`
	Revoke           normalizedOriginal      `json:"revoke"`
	Referral         normalizedReferral      `json:"referral"`
	Errors           []normalizedError       `json:"errors"`
	Kapso            struct{ Source string } `json:"kapso"`
}

type normalizedMedia struct {
	ID       string `json:"id"`
	MIMEType string `json:"mimeType"`
	SHA256   string `json:"sha256"`
	Caption  string `json:"caption"`
	Filename string `json:"filename"`
	Voice    bool   `json:"voice"`
	Animated bool   `json:"animated"`
}

type normalizedLocation struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name"`
	Address   string  `json:"address"`
}

type normalizedReaction struct {
	MessageID string `json:"messageId"`
	Emoji     string `json:"emoji"`
}

type normalizedContext struct {
	ID        string `json:"id"`
	Forwarded bool   `json:"forwarded"`
}

type normalizedInteractive struct {
	Type        string           `json:"type"`
	ButtonReply *normalizedReply `json:"buttonReply"`
	ListReply   *normalizedReply `json:"listReply"`
	NFMReply    struct {
		ResponseJSON string `json:"responseJson"`
	} `json:"nfmReply"`
}

type normalizedReply struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

type normalizedButton struct {
	Text    string `json:"text"`
	Payload string `json:"payload"`
}

type normalizedAddress struct {
	Name struct {
		FormattedName string `json:"formattedName"`
	} `json:"name"`
	Phones []struct {
		Phone string `json:"phone"`
	} `json:"phones"`
}

type normalizedOrder struct {
	// OrderText is Meta's order.text, renamed.
	OrderText    string `json:"orderText"`
	ProductItems []struct {
		ProductRetailerID string `json:"productRetailerId"`
		Quantity          plain  `json:"quantity"`
	} `json:"productItems"`
}

type normalizedSystem struct {
	Type   string `json:"type"`
	Body   string `json:"body"`
	WAID   string `json:"waId"`
	UserID string `json:"userId"`
}

type normalizedEdit struct {
	OriginalMessageID string             `json:"originalMessageId"`
	Message           *normalizedMessage `json:"message"`
}

type normalizedOriginal struct {
	OriginalMessageID string `json:"originalMessageId"`
}

type normalizedReferral struct {
	SourceID string `json:"sourceId"`
	Headline string `json:"headline"`
	Body     string `json:"body"`
}

type normalizedStatus struct {
	Type            string            `json:"type"`
	ID              string            `json:"id"`
	Status          string            `json:"status"`
	Timestamp       plain             `json:"timestamp"`
	RecipientID     string            `json:"recipientId"`
	RecipientUserID string            `json:"recipientUserId"`
	Errors          []normalizedError `json:"errors"`
}

type normalizedError struct {
	Code int `json:"code"`
}

type normalizedContact struct {
	WAID    string `json:"waId"`
	UserID  string `json:"userId"`
	Profile struct {
		Name     string `json:"name"`
		Username string `json:"username"`
	} `json:"profile"`
}

// plain is a string or a number, as text.
type plain string

// UnmarshalJSON takes the quotes off a string, and a number as it is.
func (p *plain) UnmarshalJSON(data []byte) error {
	if strings.HasPrefix(string(data), `"`) {
		return json.Unmarshal(data, (*string)(p))
	}
	*p = plain(data)
	return nil
}

// read takes what matters from their side, without what they list there and
// recognise as something else: echoes and the statuses of calls.
func (n normalized) read() (r reading, count tally) {
	for _, m := range n.Messages {
		if m.Kapso.Source == "smb_message_echo" {
			count.Echoes++
			continue
		}
		r.Messages = append(r.Messages, m.read())
	}
	for _, s := range n.Statuses {
		if s.Type == "call" {
			count.Calls++
			continue
		}
		r.Statuses = append(r.Statuses, status{
			ID: s.ID, Status: s.Status, Timestamp: string(s.Timestamp),
			RecipientID: s.RecipientID, RecipientUserID: s.RecipientUserID, ErrorCodes: normalizedCodes(s.Errors),
		})
	}
	for _, c := range n.Contacts {
		r.Contacts = append(r.Contacts, contact{WAID: c.WAID, UserID: c.UserID, Name: c.Profile.Name, Username: c.Profile.Username})
	}
	count.Messages, count.Statuses = len(r.Messages), len(r.Statuses)
	return r, count
}

func (m normalizedMessage) read() message {
	out := message{
		ID: m.ID, Type: m.Type, Timestamp: string(m.Timestamp),
		From: m.From, FromUserID: m.FromUserID, FromParentUserID: m.FromParentUserID, GroupID: m.GroupID,
		Text:     m.Text.Body,
		Latitude: m.Location.Latitude, Longitude: m.Location.Longitude,
		PlaceName: m.Location.Name, PlaceAddress: m.Location.Address,
		ReactionTo: m.Reaction.MessageID, Emoji: m.Reaction.Emoji,
		ReplyTo: m.Context.ID, Forwarded: m.Context.Forwarded,
		InteractiveType: m.Interactive.Type, FlowRaw: m.Interactive.NFMReply.ResponseJSON,
		ButtonText: m.Button.Text, ButtonPayload: m.Button.Payload,
		OrderText:  m.Order.OrderText,
		SystemType: m.System.Type, SystemBody: m.System.Body, NewWAID: m.System.WAID, NewUserID: m.System.UserID,
		EditOf: m.Edit.OriginalMessageID, Revoke: m.Revoke.OriginalMessageID,
		ReferralID: m.Referral.SourceID, ReferralHeadline: m.Referral.Headline, ReferralBody: m.Referral.Body,
		ErrorCodes: normalizedCodes(m.Errors),
	}
	if f := cmp.Or(m.Image, m.Video, m.Audio, m.Document, m.Sticker); f != nil {
		out.MediaID, out.MIMEType, out.SHA256, out.Caption, out.Filename = f.ID, f.MIMEType, f.SHA256, f.Caption, f.Filename
		out.Voice, out.Animated = f.Voice, f.Animated
	}
	if choice := cmp.Or(m.Interactive.ButtonReply, m.Interactive.ListReply); choice != nil {
		out.ChoiceID, out.ChoiceTitle = choice.ID, choice.Title
	}
	for _, c := range m.Contacts {
		out.SharedNames = append(out.SharedNames, c.Name.FormattedName)
		for _, p := range c.Phones {
			out.SharedPhones = append(out.SharedPhones, p.Phone)
		}
	}
	for _, item := range m.Order.ProductItems {
		out.OrderItems = append(out.OrderItems, item.ProductRetailerID+" x "+string(item.Quantity))
	}
	if edited := m.Edit.Message; edited != nil {
		inner := edited.read()
		out.EditType, out.EditText, out.EditCaption = inner.Type, inner.Text, inner.Caption
	}
	return out
}

func normalizedCodes(errors []normalizedError) []int {
	var found []int
	for _, e := range errors {
		found = append(found, e.Code)
	}
	return found
}
