package webhook

import (
	"encoding/json"
	"time"
)

// The message types known here. The list is open: any other value is kept in
// [Message.Type] and its content in [Message.Raw].
const (
	TypeText           = "text"
	TypeImage          = "image"
	TypeVideo          = "video"
	TypeAudio          = "audio"
	TypeDocument       = "document"
	TypeSticker        = "sticker"
	TypeLocation       = "location"
	TypeContacts       = "contacts"
	TypeReaction       = "reaction"
	TypeInteractive    = "interactive"
	TypeButton         = "button"
	TypeOrder          = "order"
	TypeSystem         = "system"
	TypeUnsupported    = "unsupported"
	TypeEdit           = "edit"
	TypeRevoke         = "revoke"
	TypeRequestWelcome = "request_welcome"
)

// Message is one message of a customer. ID is never empty; the content member
// that Type names may still be nil, where Meta sent none or it was unreadable.
type Message struct {
	// ID is the wamid. The same id may be delivered more than once.
	ID string
	// From is the customer's phone number in digits, empty where the customer
	// hides it.
	From string
	// FromUserID is the customer's business-scoped user id.
	FromUserID       string
	FromParentUserID string
	// GroupID is set for messages written in a group.
	GroupID string
	// Timestamp is when the customer sent the message. It opens the customer
	// service window, and may lie days before the delivery.
	Timestamp time.Time
	Type      string

	Text        *Text
	Image       *Media
	Video       *Media
	Audio       *Media
	Document    *Media
	Sticker     *Media
	Location    *Location
	Contacts    []SharedContact
	Reaction    *Reaction
	Interactive *Interactive
	Button      *Button
	Order       *Order
	System      *System
	Unsupported *Unsupported
	Edit        *Edit
	Revoke      *Revoke

	// Context is set for replies and forwarded messages.
	Context *Context
	// Referral is set for messages that came from an advertisement.
	Referral *Referral
	// Identity is set where the business asked for identity checks.
	Identity *Identity
	// Errors says why a message of type unsupported is unsupported.
	Errors []Error
	// Raw is the message as received.
	Raw json.RawMessage
}

// Media returns the file that comes with the message, or nil.
func (m Message) Media() *Media {
	for _, media := range []*Media{m.Image, m.Video, m.Audio, m.Document, m.Sticker} {
		if media != nil {
			return media
		}
	}
	return nil
}

// Text is the content of a text message.
type Text struct {
	Body string `json:"body"`
}

// Media is a file that a customer sent. The file itself is fetched from the
// Cloud API by ID within 7 days.
type Media struct {
	ID       string `json:"id"`
	MIMEType string `json:"mime_type"`
	// SHA256 is the file's hash in base64.
	SHA256   string `json:"sha256"`
	Caption  string `json:"caption"`
	Filename string `json:"filename"`
	// URL is where the file can be had for a few minutes. It is not always there.
	URL string `json:"url"`
	// Voice tells a voice message from another audio file.
	Voice bool `json:"voice"`
	// Animated tells a moving sticker from a still one.
	Animated bool `json:"animated"`
}

// Location is a place that a customer shared. Name, Address and URL are set
// only for a place the customer chose from a list.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name"`
	Address   string  `json:"address"`
	URL       string  `json:"url"`
}

// SharedContact is an address book entry that a customer sent.
type SharedContact struct {
	Name      SharedName      `json:"name"`
	Org       SharedOrg       `json:"org"`
	Phones    []SharedPhone   `json:"phones"`
	Emails    []SharedEmail   `json:"emails"`
	URLs      []SharedURL     `json:"urls"`
	Addresses []SharedAddress `json:"addresses"`
	Birthday  string          `json:"birthday"`
	// Origin is "contact_request" for the answer to a request for the phone number.
	Origin string `json:"origin"`
}

// SharedName is the name in a [SharedContact].
type SharedName struct {
	FormattedName string `json:"formatted_name"`
	FirstName     string `json:"first_name"`
	LastName      string `json:"last_name"`
}

// SharedOrg is the employer in a [SharedContact].
type SharedOrg struct {
	Company    string `json:"company"`
	Department string `json:"department"`
	Title      string `json:"title"`
}

// SharedPhone is a phone number in a [SharedContact].
type SharedPhone struct {
	Phone string `json:"phone"`
	WAID  string `json:"wa_id"`
	Type  string `json:"type"`
}

// SharedEmail is an email address in a [SharedContact].
type SharedEmail struct {
	Email string `json:"email"`
	Type  string `json:"type"`
}

// SharedURL is a web address in a [SharedContact].
type SharedURL struct {
	URL  string `json:"url"`
	Type string `json:"type"`
}

// SharedAddress is a postal address in a [SharedContact].
type SharedAddress struct {
	Street  string `json:"street"`
	City    string `json:"city"`
	State   string `json:"state"`
	Zip     string `json:"zip"`
	Country string `json:"country"`
	Type    string `json:"type"`
}

// Reaction is an emoji put on an earlier message. An empty Emoji takes the
// reaction back.
type Reaction struct {
	MessageID string `json:"message_id"`
	Emoji     string `json:"emoji"`
}

// Interactive is the answer to an interactive message. Type names the member
// that is set.
type Interactive struct {
	Type        string `json:"type"`
	ButtonReply *Reply `json:"button_reply"`
	ListReply   *Reply `json:"list_reply"`
	// NFMReply is a filled-in form (a WhatsApp flow).
	NFMReply            *NFMReply            `json:"nfm_reply"`
	CallPermissionReply *CallPermissionReply `json:"call_permission_reply"`
}

// Reply is the button or list row that a customer chose.
type Reply struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// NFMReply is a form that a customer filled in.
type NFMReply struct {
	Name string `json:"name"`
	Body string `json:"body"`
	// ResponseJSON holds the answers as a JSON object in a string.
	ResponseJSON string `json:"response_json"`
}

// CallPermissionReply is the answer to a request to call the customer.
type CallPermissionReply struct {
	Response            string    `json:"response"`
	ResponseSource      string    `json:"response_source"`
	ExpirationTimestamp Timestamp `json:"expiration_timestamp"`
}

// Button is the quick reply that a customer chose on a template.
type Button struct {
	Text    string `json:"text"`
	Payload string `json:"payload"`
}

// Order is a shopping cart that a customer sent.
type Order struct {
	CatalogID    string        `json:"catalog_id"`
	Text         string        `json:"text"`
	ProductItems []ProductItem `json:"product_items"`
}

// ProductItem is one line of an [Order].
type ProductItem struct {
	ProductRetailerID string      `json:"product_retailer_id"`
	Quantity          json.Number `json:"quantity"`
	ItemPrice         json.Number `json:"item_price"`
	Currency          string      `json:"currency"`
}

// The system message types known here.
const (
	SystemUserChangedNumber       = "user_changed_number"
	SystemUserChangedUserID       = "user_changed_user_id"
	SystemCustomerIdentityChanged = "customer_identity_changed"
)

// System is news about the customer: a new phone number or user id.
type System struct {
	Type string `json:"type"`
	// Body is Meta's English sentence. It quotes phone numbers.
	Body string `json:"body"`
	// WAID is the new phone number in digits.
	WAID string `json:"wa_id"`
	// UserID is the new business-scoped user id.
	UserID         string `json:"user_id"`
	PreviousUserID string `json:"previous_user_id"`
}

// Unsupported says what a message is that WhatsApp does not pass on.
type Unsupported struct {
	Type string `json:"type"`
}

// Edit replaces the content of an earlier message.
type Edit struct {
	OriginalMessageID string `json:"original_message_id"`
	// Message is the new content. It has a type but neither id nor sender.
	Message *Message `json:"-"`
}

// Revoke takes an earlier message back.
type Revoke struct {
	OriginalMessageID string `json:"original_message_id"`
}

// Context ties a message to another one.
type Context struct {
	// From is the sender of the message that was replied to.
	From string `json:"from"`
	// ID is the wamid of the message that was replied to.
	ID                  string           `json:"id"`
	Forwarded           bool             `json:"forwarded"`
	FrequentlyForwarded bool             `json:"frequently_forwarded"`
	ReferredProduct     *ReferredProduct `json:"referred_product"`
}

// ReferredProduct is the product that a customer asks about.
type ReferredProduct struct {
	CatalogID         string `json:"catalog_id"`
	ProductRetailerID string `json:"product_retailer_id"`
}

// Referral is the advertisement or post that brought the customer.
type Referral struct {
	SourceURL    string `json:"source_url"`
	SourceID     string `json:"source_id"`
	SourceType   string `json:"source_type"`
	Headline     string `json:"headline"`
	Body         string `json:"body"`
	MediaType    string `json:"media_type"`
	ImageURL     string `json:"image_url"`
	VideoURL     string `json:"video_url"`
	ThumbnailURL string `json:"thumbnail_url"`
	CTWAClickID  string `json:"ctwa_clid"`
}

// Identity tells whether the customer's device is still the one known.
type Identity struct {
	Acknowledged     bool      `json:"acknowledged"`
	CreatedTimestamp Timestamp `json:"created_timestamp"`
	Hash             string    `json:"hash"`
}
