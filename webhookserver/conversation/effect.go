package conversation

import (
	"fmt"
	"time"
)

// Effect is one remote call that a conversation wants. It is made once, in order with the others that go to the same
// destination.
type Effect struct {
	// Key names the effect for good: the same cause always gives the same key, which makes a repeated cause harmless.
	Key string `json:"key"`
	// Kind says what to do and which of the members below is set.
	Kind Kind `json:"kind"`
	// Epoch is that of the ticket which the effect is about.
	Epoch int `json:"epoch"`

	OpenTicket  *OpenTicket  `json:"openTicket,omitempty"`
	AddArticle  *Article     `json:"addArticle,omitempty"`
	SetDelivery *SetDelivery `json:"setDelivery,omitempty"`
	SetState    *SetState    `json:"setState,omitempty"`
	SendText    *SendText    `json:"sendText,omitempty"`

	FetchMedia    *FetchMedia    `json:"fetchMedia,omitempty"`
	SetAttachment *SetAttachment `json:"setAttachment,omitempty"`
	UploadMedia   *UploadMedia   `json:"uploadMedia,omitempty"`
}

// Kind is what an effect does.
type Kind string

// The kinds of effects.
const (
	KindOpenTicket  Kind = "open-ticket"
	KindAddArticle  Kind = "add-article"
	KindSetDelivery Kind = "set-delivery"
	KindSetState    Kind = "set-state"
	KindSendText    Kind = "send-text"

	KindFetchMedia    Kind = "fetch-media"
	KindSetAttachment Kind = "set-attachment"
	KindUploadMedia   Kind = "upload-media"
)

// Destination is where an effect's call goes.
type Destination string

// The destinations. A dead one does not hold up the others. Files come from WhatsApp too, but no message waits for one.
const (
	Helpdesk Destination = "helpdesk"
	Graph    Destination = "graph"
	Media    Destination = "media"
)

// Destination returns where effects of this kind go.
func (k Kind) Destination() Destination {
	switch k {
	case KindSendText, KindUploadMedia:
		return Graph
	case KindFetchMedia:
		return Media
	default:
		return Helpdesk
	}
}

// OpenTicket opens the ticket of an epoch with its first article.
type OpenTicket struct {
	Group    string   `json:"group,omitempty"`
	Customer Customer `json:"customer"`
	Article  Article  `json:"article"`
}

// Article is one entry on a ticket.
type Article struct {
	// ID names the article for good: the wamid of a customer's message, or our own ID.
	ID     string `json:"id"`
	Author Author `json:"author"`
	// Type is WhatsApp's message type of a customer's message.
	Type string `json:"type,omitempty"`
	// Purpose is why the channel wrote it, where Author is AuthorChannel.
	Purpose Purpose `json:"purpose,omitempty"`
	// Text is what a person reads.
	Text string `json:"text"`
	// WrittenAt is when the author wrote it.
	WrittenAt time.Time `json:"writtenAt"`
	// Attachments are its files.
	Attachments []Attachment `json:"attachments,omitempty"`
}

// WantsAgent tells whether somebody has to see the article: it is a customer's, and more than a reaction or the like.
func (a Article) WantsAgent() bool { return a.Author == AuthorCustomer && !isAside(a.Type) }

// Author is who an article is from.
type Author string

// The authors of articles.
const (
	AuthorCustomer Author = "customer"
	AuthorAgent    Author = "agent"
	// AuthorChannel marks the channel's own messages to the customer, such as the welcome.
	AuthorChannel Author = "channel"
	// AuthorNote marks what only agents see.
	AuthorNote Author = "note"
)

// SetDelivery shows on the ticket how far a message to the customer has got.
type SetDelivery struct {
	// ArticleID names the article that holds the message.
	ArticleID string   `json:"articleID"`
	Delivery  Delivery `json:"delivery"`
	// Reason says why, where Delivery is Failed, NotSent or Uncertain.
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// SetState brings the ticket into a state.
type SetState struct {
	State TicketState `json:"state"`
}

// TicketState is the state of a ticket.
type TicketState string

// The states of tickets.
const (
	TicketIsOpen TicketState = "open"
	// TicketIsPending marks an open ticket that waits for something, such as the customer.
	TicketIsPending TicketState = "pending"
	TicketIsClosed  TicketState = "closed"
)

// SendText sends a text to the customer, or a file with the text as its caption.
type SendText struct {
	Part Part `json:"part"`
	// Purpose decides what happens when it is not known whether the message was sent.
	Purpose Purpose   `json:"purpose"`
	Text    string    `json:"text"`
	File    *Enclosed `json:"file,omitempty"`
}

// Purpose is why a message is sent.
type Purpose string

// The purposes of messages.
const (
	// Welcome, and the others but Reply, are courtesies: rather missing than twice.
	Welcome     Purpose = "welcome"
	Goodbye     Purpose = "goodbye"
	Reminder    Purpose = "reminder"
	Unsupported Purpose = "unsupported"
	// Reply is an agent's answer: rather twice than missing.
	Reply Purpose = "reply"
)

// Courtesy tells whether a missing message is better than a doubled one.
func (p Purpose) Courtesy() bool { return p != Reply }

// Part is one WhatsApp message of what was written as one: long texts are sent in several.
type Part struct {
	// Outgoing is the key in State.Outgoing, and the ID of the article on the ticket.
	Outgoing string `json:"outgoing"`
	// Index counts from 0.
	Index int `json:"index"`
}

// TicketMarker names the ticket of an epoch for good; helpdesks keep it with the ticket.
func TicketMarker(conversation string, epoch int) string {
	return fmt.Sprintf("%s/%d", conversation, epoch)
}

// TicketKey is the key of the effect that opens the ticket of an epoch.
func TicketKey(conversation string, epoch int) string {
	return TicketMarker(conversation, epoch) + "/ticket"
}

// ArticleKey is the key of the effect that adds a customer's message to a ticket that is open already.
func ArticleKey(wamid string) string { return wamid + "/article" }

func (s State) marker(suffix string) string { return TicketMarker(s.ID, s.Epoch) + "/" + suffix }

func addArticle(key string, epoch int, a Article) Effect {
	return Effect{Key: key, Kind: KindAddArticle, Epoch: epoch, AddArticle: &a}
}
