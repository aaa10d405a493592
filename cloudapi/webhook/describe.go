package webhook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Describe returns what the message says, as plain text for a person who reads
// it without WhatsApp: the body of a text message, and a sentence or a few
// lines for all other types. It is never empty. It holds what the customer
// wrote: keep it out of logs.
func (m Message) Describe() string {
	switch m.Type {
	case TypeText:
		if m.Text != nil && m.Text.Body != "" {
			return m.Text.Body
		}
		return "(a message without text)"
	case TypeImage:
		return describeMedia("Image", m.Image)
	case TypeVideo:
		return describeMedia("Video", m.Video)
	case TypeAudio:
		if m.Audio != nil && m.Audio.Voice {
			return describeMedia("Voice message", m.Audio)
		}
		return describeMedia("Audio", m.Audio)
	case TypeDocument:
		return describeMedia("Document", m.Document)
	case TypeSticker:
		return describeMedia("Sticker", m.Sticker)
	case TypeLocation:
		return m.Location.describe()
	case TypeContacts:
		return describeContacts(m.Contacts)
	case TypeReaction:
		return m.Reaction.describe()
	case TypeInteractive:
		return m.Interactive.describe()
	case TypeButton:
		if m.Button != nil {
			return "Button: " + cmp.Or(m.Button.Text, m.Button.Payload, "(no label)")
		}
		return "Button: (no label)"
	case TypeOrder:
		return m.Order.describe()
	case TypeSystem:
		if m.System != nil && m.System.Body != "" {
			return "WhatsApp: " + m.System.Body
		}
		return "WhatsApp: the customer's account changed."
	case TypeUnsupported:
		return m.describeUnsupported()
	case TypeEdit:
		return m.Edit.describe()
	case TypeRevoke:
		return "The customer deleted a message."
	case TypeRequestWelcome:
		return "The customer opened the chat for the first time and has not written yet."
	case "":
		return "(a message without a type)"
	default:
		return fmt.Sprintf("(a message of type %q, which cannot be shown here)", m.Type)
	}
}

func describeMedia(label string, media *Media) string {
	if media == nil {
		return label + " (the file is missing)"
	}
	if media.Filename != "" {
		label += " " + media.Filename
	}
	if media.Caption != "" {
		return label + ": " + media.Caption
	}
	return label
}

func (l *Location) describe() string {
	if l == nil {
		return "Location (the position is missing)"
	}
	position := strconv.FormatFloat(l.Latitude, 'f', -1, 64) + ", " + strconv.FormatFloat(l.Longitude, 'f', -1, 64)
	return "Location: " + joinNonEmpty("\n", joinNonEmpty(", ", l.Name, l.Address), position, l.URL)
}

func describeContacts(contacts []SharedContact) string {
	if len(contacts) == 0 {
		return "Contact (the entry is missing)"
	}
	entries := make([]string, 0, len(contacts))
	for _, c := range contacts {
		name := cmp.Or(c.Name.FormattedName, joinNonEmpty(" ", c.Name.FirstName, c.Name.LastName), "(no name)")
		if c.Org.Company != "" {
			name += " (" + c.Org.Company + ")"
		}
		lines := []string{name}
		for _, p := range c.Phones {
			lines = append(lines, cmp.Or(p.Phone, p.WAID))
		}
		for _, e := range c.Emails {
			lines = append(lines, e.Email)
		}
		for _, u := range c.URLs {
			lines = append(lines, u.URL)
		}
		for _, a := range c.Addresses {
			lines = append(lines, joinNonEmpty(", ", a.Street, joinNonEmpty(" ", a.Zip, a.City), a.State, a.Country))
		}
		entries = append(entries, "Contact: "+joinNonEmpty(", ", lines...))
	}
	return strings.Join(entries, "\n")
}

func (r *Reaction) describe() string {
	if r == nil || r.Emoji == "" {
		return "The customer took a reaction back."
	}
	return "Reaction: " + r.Emoji
}

func (i *Interactive) describe() string {
	switch {
	case i == nil:
		return "An answer to an interactive message (the content is missing)"
	case i.ButtonReply != nil:
		return "Button: " + i.ButtonReply.label()
	case i.ListReply != nil:
		return "List: " + i.ListReply.label()
	case i.NFMReply != nil:
		return i.NFMReply.describe()
	case i.CallPermissionReply != nil:
		return "Permission to call: " + cmp.Or(i.CallPermissionReply.Response, "(no answer)")
	default:
		return fmt.Sprintf("An answer to an interactive message of type %q, which cannot be shown here", i.Type)
	}
}

func (r *Reply) label() string {
	label := cmp.Or(r.Title, r.ID, "(no label)")
	if r.Description != "" {
		label += " (" + r.Description + ")"
	}
	return label
}

// describe lists a form's answers. The flow token is left out: it belongs to
// the form's technique and may be a secret.
func (n *NFMReply) describe() string {
	lines := []string{"Form: " + cmp.Or(n.Body, n.Name, "(no title)")}
	var answers map[string]json.RawMessage
	if err := json.Unmarshal([]byte(n.ResponseJSON), &answers); err != nil {
		return joinNonEmpty("\n", lines[0], n.ResponseJSON)
	}
	delete(answers, "flow_token")
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		var text string
		if err := json.Unmarshal(answers[name], &text); err != nil {
			text = string(answers[name])
		}
		lines = append(lines, name+": "+text)
	}
	return strings.Join(lines, "\n")
}

func (o *Order) describe() string {
	if o == nil {
		return "Order (the items are missing)"
	}
	lines := []string{"Order:"}
	for _, item := range o.ProductItems {
		line := cmp.Or(item.Quantity.String(), "?") + " × " + cmp.Or(item.ProductRetailerID, "(no product number)")
		if price := joinNonEmpty(" ", item.ItemPrice.String(), item.Currency); price != "" {
			line += " at " + price
		}
		lines = append(lines, line)
	}
	return joinNonEmpty("\n", append(lines, o.Text)...)
}

func (m Message) describeUnsupported() string {
	what := "The customer sent something that WhatsApp does not pass on"
	if m.Unsupported != nil && m.Unsupported.Type != "" {
		what += " (" + m.Unsupported.Type + ")"
	}
	for _, e := range m.Errors {
		if why := cmp.Or(e.Details, e.Message, e.Title); why != "" {
			return what + ": " + why
		}
	}
	return what + "."
}

func (e *Edit) describe() string {
	if e == nil || e.Message == nil {
		return "The customer edited a message."
	}
	return "The customer edited a message. It now says:\n" + e.Message.Describe()
}

func joinNonEmpty(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return strings.TrimSpace(s) == "" }), separator)
}
