//go:build contract

package contract

import (
	"cmp"
	"strconv"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// reading is what matters in a webhook, however it was read.
type reading struct {
	Messages []message
	Statuses []status
	Contacts []contact
}

type message struct {
	ID, Type, Timestamp                             string
	From, FromUserID, FromParentUserID, GroupID     string
	Text                                            string
	MediaID, MIMEType, SHA256, Caption, Filename    string
	Voice, Animated                                 bool
	Latitude, Longitude                             float64
	PlaceName, PlaceAddress                         string
	ReactionTo, Emoji                               string
	ReplyTo                                         string
	Forwarded                                       bool
	InteractiveType, ChoiceID, ChoiceTitle, FlowRaw string
	ButtonText, ButtonPayload                       string
	SharedNames, SharedPhones                       []string
	OrderText                                       string
	OrderItems                                      []string
	SystemType, SystemBody, NewWAID, NewUserID      string
	EditOf, EditType, EditText, EditCaption, Revoke string
	ReferralID, ReferralHeadline, ReferralBody      string
	ErrorCodes                                      []int
}

type status struct {
	ID, Status, Timestamp, RecipientID, RecipientUserID string
	ErrorCodes                                          []int
}

type contact struct {
	WAID, UserID, Name, Username string
}

// read takes what matters from our side.
func read(p webhook.Payload) reading {
	var r reading
	for _, entry := range p.Entries {
		for _, change := range entry.Changes {
			for _, m := range change.Value.Messages {
				r.Messages = append(r.Messages, readMessage(m))
			}
			for _, s := range change.Value.Statuses {
				r.Statuses = append(r.Statuses, status{
					ID: s.ID, Status: s.Status, Timestamp: seconds(s.Timestamp),
					RecipientID: s.RecipientID, RecipientUserID: s.RecipientUserID, ErrorCodes: codes(s.Errors),
				})
			}
			for _, c := range change.Value.Contacts {
				r.Contacts = append(r.Contacts, contact{WAID: c.WAID, UserID: c.UserID, Name: c.Name, Username: c.Username})
			}
		}
	}
	return r
}

func readMessage(m webhook.Message) message {
	out := message{
		ID: m.ID, Type: m.Type, Timestamp: seconds(m.Timestamp),
		From: m.From, FromUserID: m.FromUserID, FromParentUserID: m.FromParentUserID, GroupID: m.GroupID,
		ErrorCodes: codes(m.Errors),
	}
	if m.Text != nil {
		out.Text = m.Text.Body
	}
	if f := cmp.Or(m.Image, m.Video, m.Audio, m.Document, m.Sticker); f != nil {
		out.MediaID, out.MIMEType, out.SHA256, out.Caption, out.Filename = f.ID, f.MIMEType, f.SHA256, f.Caption, f.Filename
		out.Voice, out.Animated = f.Voice, f.Animated
	}
	if l := m.Location; l != nil {
		out.Latitude, out.Longitude, out.PlaceName, out.PlaceAddress = l.Latitude, l.Longitude, l.Name, l.Address
	}
	if m.Reaction != nil {
		out.ReactionTo, out.Emoji = m.Reaction.MessageID, m.Reaction.Emoji
	}
	if m.Context != nil {
		out.ReplyTo, out.Forwarded = m.Context.ID, m.Context.Forwarded
	}
	if i := m.Interactive; i != nil {
		out.InteractiveType = i.Type
		if choice := cmp.Or(i.ButtonReply, i.ListReply); choice != nil {
			out.ChoiceID, out.ChoiceTitle = choice.ID, choice.Title
		}
		if i.NFMReply != nil {
			out.FlowRaw = i.NFMReply.ResponseJSON
		}
	}
	if m.Button != nil {
		out.ButtonText, out.ButtonPayload = m.Button.Text, m.Button.Payload
	}
	for _, c := range m.Contacts {
		out.SharedNames = append(out.SharedNames, c.Name.FormattedName)
		for _, p := range c.Phones {
			out.SharedPhones = append(out.SharedPhones, p.Phone)
		}
	}
	if m.Order != nil {
		out.OrderText = m.Order.Text
		for _, item := range m.Order.ProductItems {
			out.OrderItems = append(out.OrderItems, item.ProductRetailerID+" x "+item.Quantity.String())
		}
	}
	if m.System != nil {
		out.SystemType, out.SystemBody, out.NewWAID, out.NewUserID = m.System.Type, m.System.Body, m.System.WAID, m.System.UserID
	}
	if m.Edit != nil {
		out.EditOf = m.Edit.OriginalMessageID
		if edited := m.Edit.Message; edited != nil {
			inner := readMessage(*edited)
			out.EditType, out.EditText, out.EditCaption = inner.Type, inner.Text, inner.Caption
		}
	}
	if m.Revoke != nil {
		out.Revoke = m.Revoke.OriginalMessageID
	}
	if m.Referral != nil {
		out.ReferralID, out.ReferralHeadline, out.ReferralBody = m.Referral.SourceID, m.Referral.Headline, m.Referral.Body
	}
	return out
}

func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

func codes(errors []webhook.Error) []int {
	var found []int
	for _, e := range errors {
		found = append(found, e.Code)
	}
	return found
}
