package conversation

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// maxExcerpt bounds how much of a message is repeated where another one refers to it, in characters.
const maxExcerpt = 160

// TypeCall is the type of a customer's attempt to call, which WhatsApp does not tell by a message.
const TypeCall = "call"

// opensWindow tells the messages that the customer wrote from those that WhatsApp did.
func opensWindow(messageType string) bool { return !isNews(messageType) }

// isNews tells what WhatsApp says of the customer: a new number or user ID, or that the chat was opened.
func isNews(messageType string) bool {
	return messageType == webhook.TypeSystem || messageType == webhook.TypeRequestWelcome
}

// isAside tells the messages that say something about another message or about the customer. They are shown on the
// latest ticket, which they do not reopen, and nobody is welcomed for them.
func isAside(messageType string) bool {
	switch messageType {
	case webhook.TypeReaction, webhook.TypeEdit, webhook.TypeRevoke:
		return true
	}
	return isNews(messageType)
}

// isReadable tells the messages that an agent can read from those that only name their kind.
func isReadable(m webhook.Message) bool {
	switch m.Type {
	case webhook.TypeText, webhook.TypeImage, webhook.TypeVideo, webhook.TypeAudio, webhook.TypeDocument,
		webhook.TypeSticker, webhook.TypeLocation, webhook.TypeContacts, webhook.TypeInteractive, webhook.TypeButton,
		webhook.TypeOrder, TypeCall:
		return true
	}
	return isAside(m.Type)
}

// wordMessage says what a message is, for a person who has only the ticket before them.
func wordMessage(m webhook.Message, about *Referenced) string {
	switch m.Type {
	case webhook.TypeReaction:
		return wordReaction(m, about)
	case webhook.TypeRevoke:
		if about != nil {
			return "The customer deleted the message " + excerpt(about.Text) + "."
		}
	case webhook.TypeEdit:
		if about != nil {
			return m.Describe() + "\n\nBefore, it said:\n" + about.Text
		}
	case TypeCall:
		return "The customer tried to call this number with WhatsApp."
	case webhook.TypeSystem:
		if m.System != nil && m.System.Type == webhook.SystemCustomerIdentityChanged {
			return m.Describe() + "\nThe customer's WhatsApp was set up anew, perhaps by someone else. Make sure who it is before you say anything confidential."
		}
	}
	lines := append(wordContext(m, about), m.Describe())
	lines = append(lines, wordReferral(m.Referral)...)
	if m.Type != webhook.TypeUnsupported {
		for _, e := range m.Errors {
			lines = append(lines, fmt.Sprintf("WhatsApp reports a problem with this message: %s (error %d)",
				cmp.Or(e.Details, e.Message, e.Title, "no reason given"), e.Code))
		}
	}
	return strings.Join(lines, "\n")
}

// wordEcho says what someone of the business did in the WhatsApp Business app.
func wordEcho(m webhook.Message) string {
	switch {
	case m.Revoke != nil:
		return "A message to the customer was deleted in the WhatsApp Business app."
	case m.Edit != nil && m.Edit.Message != nil:
		return "A message to the customer was edited in the WhatsApp Business app. It now says:\n" + m.Edit.Message.Describe()
	default:
		return "Written to the customer in the WhatsApp Business app:\n" + m.Describe()
	}
}

func wordReaction(m webhook.Message, about *Referenced) string {
	switch {
	case about == nil:
		return m.Describe()
	case m.Reaction == nil || m.Reaction.Emoji == "":
		return "The customer took back the reaction to " + excerpt(about.Text) + "."
	default:
		return "Reaction: " + m.Reaction.Emoji + " to " + excerpt(about.Text)
	}
}

// wordContext says what a message belongs to, one line each.
func wordContext(m webhook.Message, about *Referenced) (lines []string) {
	c := m.Context
	switch {
	case c == nil:
		return nil
	case c.FrequentlyForwarded:
		lines = append(lines, "(forwarded many times)")
	case c.Forwarded:
		lines = append(lines, "(forwarded)")
	}
	switch {
	case c.ReferredProduct != nil:
		lines = append(lines, "About the product "+cmp.Or(c.ReferredProduct.ProductRetailerID, "(no product number)")+":")
	case about != nil:
		lines = append(lines, "In reply to "+excerpt(about.Text)+":")
	case c.ID != "":
		lines = append(lines, "In reply to an earlier message that is not on record:")
	}
	return lines
}

func wordReferral(r *webhook.Referral) []string {
	if r == nil {
		return nil
	}
	lines := []string{"", "The customer came through an advertisement or post:"}
	for _, line := range []string{r.Headline, r.Body, r.SourceURL} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// excerpt quotes the beginning of a text on one line.
func excerpt(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxExcerpt {
		runes = append(runes[:maxExcerpt], '…')
	}
	return "“" + string(runes) + "”"
}
