package cloudevents

import (
	"fmt"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// The types of events. The version at the end changes when an endpoint would have to change with it; a member of the
// data may be added without.
const (
	TicketOpened      = "io.whatsapp-operator.ticket.opened.v1"
	TicketReopened    = "io.whatsapp-operator.ticket.reopened.v1"
	TicketPending     = "io.whatsapp-operator.ticket.pending.v1"
	TicketClosed      = "io.whatsapp-operator.ticket.closed.v1"
	MessageReceived   = "io.whatsapp-operator.message.received.v1"
	MessageSent       = "io.whatsapp-operator.message.sent.v1"
	MessageStatus     = "io.whatsapp-operator.message.status.v1"
	NoteAdded         = "io.whatsapp-operator.note.added.v1"
	AttachmentChanged = "io.whatsapp-operator.attachment.changed.v1"
)

var typeOfAuthor = map[conversation.Author]string{
	conversation.AuthorCustomer: MessageReceived,
	conversation.AuthorAgent:    MessageSent,
	conversation.AuthorChannel:  MessageSent,
	conversation.AuthorNote:     NoteAdded,
}

var typeOfState = map[conversation.TicketState]string{
	conversation.TicketIsOpen:    TicketReopened,
	conversation.TicketIsPending: TicketPending,
	conversation.TicketIsClosed:  TicketClosed,
}

// Data is the data of an event; the type says which members are set. The schemas are in docs/cloudevents.
type Data struct {
	Ticket   Ticket    `json:"ticket"`
	Customer *Customer `json:"customer,omitempty"`
	Article  *Article  `json:"article,omitempty"`
	Status   *Status   `json:"status,omitempty"`
	// ArticleID names the article of Attachment.
	ArticleID  string      `json:"articleID,omitempty"`
	Attachment *Attachment `json:"attachment,omitempty"`
}

// Ticket is a ticket.
type Ticket struct {
	ID string `json:"id"`
	// Conversation is the event's subject.
	Conversation string `json:"conversation"`
	Group        string `json:"group,omitempty"`
}

// Customer is who a ticket is from.
type Customer struct {
	Name     string `json:"name,omitempty"`
	Username string `json:"username,omitempty"`
	Phone    string `json:"phone,omitempty"`
	UserID   string `json:"userID,omitempty"`
}

// Article is an entry on a ticket.
type Article struct {
	ID     string `json:"id"`
	Author string `json:"author"`
	// Type is WhatsApp's type of a customer's message, and Purpose why the channel wrote.
	Type        string       `json:"type,omitempty"`
	Purpose     string       `json:"purpose,omitempty"`
	Text        string       `json:"text"`
	WrittenAt   time.Time    `json:"writtenAt"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Attachment is a file of an article.
type Attachment struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	MIMEType string `json:"mimeType"`
	Size     int64  `json:"size,omitempty"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	// URL is where the private API has the file, as soon as it is kept.
	URL string `json:"url,omitempty"`
}

// Status is how far a message to the customer has got.
type Status struct {
	ArticleID string `json:"articleID"`
	State     string `json:"state"`
	Reason    string `json:"reason,omitempty"`
}

func customerJSON(c conversation.Customer) *Customer {
	return &Customer{Name: c.Name, Username: c.Username, Phone: c.Phone, UserID: c.UserID}
}

func (d *Desk) article(of string, a conversation.Article) *Article {
	out := &Article{
		ID: a.ID, Author: string(a.Author), Type: a.Type, Purpose: string(a.Purpose), Text: a.Text, WrittenAt: a.WrittenAt,
	}
	for _, one := range a.Attachments {
		out.Attachments = append(out.Attachments, d.attachment(of, one))
	}
	return out
}

func (d *Desk) attachment(of string, a conversation.Attachment) Attachment {
	out := Attachment{
		ID: a.ID, Kind: a.Kind, Name: a.Name, MIMEType: a.MIMEType, Size: a.Size, State: string(a.State), Reason: a.Reason,
	}
	if a.State == conversation.AttachmentKept {
		out.URL = fmt.Sprintf("%s/v1/conversations/%s/attachments/%s", d.Channel.Helpdesk.CloudEvents.ReceiverURL, of, a.ID)
	}
	return out
}

// conversationOf returns the conversation of a ticket, whose ID is its marker.
func conversationOf(ticket string) string {
	of, _, _ := strings.Cut(ticket, "/")
	return of
}
