package conversation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

func TestArticlesSayWhatTheyAreAbout(t *testing.T) {
	about := &conversation.Referenced{Text: "Which\nparcel is it?"}
	long := &conversation.Referenced{Text: strings.Repeat("ä", 200)}
	forwarded := func(often bool) func(*webhook.Message) {
		return func(m *webhook.Message) { m.Context = &webhook.Context{Forwarded: !often, FrequentlyForwarded: often} }
	}
	replied := func(m *webhook.Message) { m.Context = &webhook.Context{ID: "w0"} }
	for name, tc := range map[string]struct {
		messageType string
		change      func(*webhook.Message)
		about       *conversation.Referenced
		want        string
	}{
		"a reply":                      {"text", replied, about, "In reply to “Which parcel is it?”:\nx"},
		"a reply to something long":    {"text", replied, long, "In reply to “" + strings.Repeat("ä", 160) + "…”:\nx"},
		"a reply to something unknown": {"text", replied, nil, "In reply to an earlier message that is not on record:\nx"},
		"forwarded":                    {"text", forwarded(false), nil, "(forwarded)\nx"},
		"forwarded many times":         {"text", forwarded(true), nil, "(forwarded many times)\nx"},
		"about a product": {"text", func(m *webhook.Message) {
			m.Context = &webhook.Context{ID: "w0", ReferredProduct: &webhook.ReferredProduct{ProductRetailerID: "p1"}}
		}, nil, "About the product p1:\nx"},
		"from an advertisement": {"text", func(m *webhook.Message) {
			m.Referral = &webhook.Referral{Headline: "Chat with us", SourceURL: "https://example.com"}
		}, nil, "x\n\nThe customer came through an advertisement or post:\nChat with us\nhttps://example.com"},
		"with an error": {"text", func(m *webhook.Message) {
			m.Errors = []webhook.Error{{Code: 131000, Title: "Something went wrong"}}
		}, nil, "x\nWhatsApp reports a problem with this message: Something went wrong (error 131000)"},
		"a reaction":                      {"reaction", func(m *webhook.Message) { m.Reaction = &webhook.Reaction{Emoji: "👍"} }, about, "Reaction: 👍 to “Which parcel is it?”"},
		"a reaction to something unknown": {"reaction", func(m *webhook.Message) { m.Reaction = &webhook.Reaction{Emoji: "👍"} }, nil, "Reaction: 👍"},
		"a reaction taken back":           {"reaction", func(m *webhook.Message) { m.Reaction = &webhook.Reaction{} }, about, "The customer took back the reaction to “Which parcel is it?”."},
		"a deletion":                      {"revoke", nil, about, "The customer deleted the message “Which parcel is it?”."},
		"a deletion of something unknown": {"revoke", nil, nil, "The customer deleted a message."},
		"an edit": {"edit", func(m *webhook.Message) {
			m.Edit = &webhook.Edit{Message: &webhook.Message{Type: "text", Text: &webhook.Text{Body: "y"}}}
		}, about, "The customer edited a message. It now says:\ny\n\nBefore, it said:\nWhich\nparcel is it?"},
	} {
		t.Run(name, func(t *testing.T) {
			e := text("w", "x", now)
			e.Message.Type, e.About = tc.messageType, tc.about
			if tc.change != nil {
				tc.change(&e.Message)
			}
			_, effects := conversation.Step(opened(t), e, now)
			if diff := cmp.Diff(tc.want, effects[0].AddArticle.Text); diff != "" {
				t.Errorf("the article (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatCannotBeReadIsAnswered(t *testing.T) {
	answers := func(s conversation.State, e conversation.MessageReceived) bool {
		t.Helper()
		e.Settings.Unsupported = "Sorry."
		_, effects := conversation.Step(s, e, now)
		for _, effect := range effects {
			if effect.SendText != nil && effect.SendText.Purpose == conversation.Unsupported {
				return effect.SendText.Text == "Sorry."
			}
		}
		return false
	}
	for messageType, want := range map[string]bool{
		webhook.TypeUnsupported: true, "hologram": true, webhook.TypeText: false, webhook.TypeReaction: false, webhook.TypeSystem: false,
		webhook.TypeOrder: false,
	} {
		if got := answers(opened(t), of(messageType, "w", now)); got != want {
			t.Errorf("%s: answered %v", messageType, got)
		}
	}
	if !answers(conversation.State{ID: "c"}, of(webhook.TypeUnsupported, "w", now)) {
		t.Error("the first message is not answered")
	}
	if answers(conversation.State{ID: "c"}, of(webhook.TypeUnsupported, "w", now.Add(-conversation.Window))) {
		t.Error("an answer is sent after the window")
	}
}

func TestANewNumberBringsANewUserID(t *testing.T) {
	s, _ := conversation.Step(conversation.State{ID: "c"}, text("w1", "x", now), now)
	e := of(webhook.TypeSystem, "w2", now)
	e.Contact = webhook.Contact{}
	e.Message.System = &webhook.System{Type: webhook.SystemUserChangedNumber, WAID: "1999"}
	s, effects := conversation.Step(s, e, now)
	if s.Customer.UserID != "" || s.Customer.Phone != "1999" {
		t.Errorf("the customer: %+v", s.Customer)
	}
	if len(effects) != 1 || effects[0].AddArticle.Author != conversation.AuthorNote {
		t.Errorf("effects: %+v", effects)
	}
}
