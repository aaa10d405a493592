package zammad

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// articleRequest adds an article.
type articleRequest struct {
	Subject     string              `json:"subject,omitempty"`
	Body        string              `json:"body"`
	ContentType string              `json:"content_type"`
	Type        string              `json:"type"`
	Sender      string              `json:"sender"`
	Internal    bool                `json:"internal"`
	From        string              `json:"from,omitempty"`
	OriginByID  int                 `json:"origin_by_id,omitempty"`
	MessageID   string              `json:"message_id"`
	InReplyTo   string              `json:"in_reply_to,omitempty"`
	Preferences preferences         `json:"preferences"`
	Attachments []attachmentRequest `json:"attachments,omitempty"`
}

// attachmentRequest adds a file to an article.
type attachmentRequest struct {
	Filename string `json:"filename"`
	MIMEType string `json:"mime-type"`
	// Data is the content in base64. While a request is put together it stands for the content, see sendFiles.
	Data string `json:"data"`
}

// The senders and types of articles. The type "whatsapp message" is never used: Zammad would try to send it itself.
const (
	senderAgent    = "Agent"
	senderCustomer = "Customer"
	senderSystem   = "System"

	typeNote = "note"
	typeWeb  = "web"
)

// maxBody is how many characters an article may have, with room for what is said about its files.
const maxBody = 1_400_000

// subjects say what the channel's own messages are.
var subjects = map[conversation.Purpose]string{
	conversation.Welcome:     "Welcome message",
	conversation.Reminder:    "Reminder",
	conversation.Goodbye:     "Goodbye message",
	conversation.Unsupported: "Answer to a message that cannot be shown",
}

// articleOf words an article. remarks are lines about its files.
func articleOf(channel string, a conversation.Article, remarks []string) articleRequest {
	request := articleRequest{
		Body: clean(a.Text), ContentType: "text/plain", MessageID: a.ID,
		Preferences: preferences{Ours: &mark{Channel: channel, Article: a.ID}},
	}
	switch a.Author {
	case conversation.AuthorCustomer:
		request.Sender, request.Type = senderCustomer, typeWeb
	case conversation.AuthorAgent:
		request.Sender, request.Type = senderAgent, typeNote
	case conversation.AuthorChannel:
		request.Sender, request.Type = senderSystem, typeNote
		request.Subject = cmp.Or(subjects[a.Purpose], "Sent by the WhatsApp channel")
	default:
		request.Sender, request.Type, request.Internal = senderSystem, typeNote, true
	}
	if text := []rune(request.Body); len(text) > maxBody {
		request.Body = string(text[:maxBody])
		remarks = append(remarks, "The rest of this message is too long for Zammad.")
	}
	for _, remark := range remarks {
		request.Body = strings.TrimLeft(request.Body+"\n\n"+remark, "\n")
	}
	return request
}

// clean takes from a text what a database of texts does not hold.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}

// from is who an article is shown to be from; empty to let Zammad say.
func from(author conversation.Author, c conversation.Customer) string {
	if author != conversation.AuthorCustomer {
		return "WhatsApp"
	}
	name, number := clean(c.Name), mobileOf(c)
	switch {
	case name != "" && number != "":
		return name + " (" + number + ")"
	case name == "" && number == "" && c.Username != "":
		return "@" + c.Username
	default:
		return cmp.Or(name, number)
	}
}

// originOf lets Zammad show an article as the customer's own, though a token wrote it.
func originOf(author conversation.Author, customer int) int {
	if author != conversation.AuthorCustomer {
		return 0
	}
	return customer
}

// remarkOnFile says what is the matter with a file that does not come with its article; empty if nothing is.
func (o Options) remarkOnFile(f conversation.Attachment, size fileSize) string {
	where := fmt.Sprintf("It is kept by the WhatsApp channel %s/%s as file %s.", o.Namespace, o.Name, f.ID)
	switch {
	case f.State == conversation.AttachmentFailed:
		return fmt.Sprintf("The file %q is not here. %s", f.Name, f.Reason)
	case f.State == conversation.AttachmentPending:
		return fmt.Sprintf("The file %q is still being fetched from WhatsApp.", f.Name)
	case size == fileTooLarge:
		return fmt.Sprintf("The file %q (%s) is too large for Zammad. %s", f.Name, inMebibytes(f.Size), where)
	case size == fileMissing:
		return fmt.Sprintf("The file %q is not kept any more.", f.Name)
	}
	return ""
}

func inMebibytes(size int64) string { return fmt.Sprintf("%.1f MiB", float64(size)/(1<<20)) }
