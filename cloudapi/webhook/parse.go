package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotJSON means that the body is not a JSON object at all.
	ErrNotJSON = errors.New("the body is not a JSON object")
	// ErrNotWhatsApp means that the body is a webhook of another product, or
	// none.
	ErrNotWhatsApp = errors.New(`the body is not a webhook of the WhatsApp Business Platform (its "object" is not "` + Object + `")`)
)

// Parse decodes the body of a webhook. It fails only when the body as a whole
// is not one, with [ErrNotJSON] or [ErrNotWhatsApp]; elements that cannot be
// read are listed in [Payload.Broken], and all others are returned. Errors and
// reasons never quote the body.
func Parse(body []byte) (Payload, error) {
	var d decoder
	members, ok := object(body)
	if !ok {
		return Payload{}, ErrNotJSON
	}
	p := Payload{Object: d.text(members, "", "object")}
	if p.Object != Object {
		return Payload{}, ErrNotWhatsApp
	}
	each(&d, members, "", "entry", func(path string, raw json.RawMessage) {
		if entry, ok := d.entry(path, raw); ok {
			p.Entries = append(p.Entries, entry)
		}
	})
	p.Broken = d.broken
	return p, nil
}

// A decoder collects what it could not read while it reads the rest.
type decoder struct{ broken []Broken }

func (d *decoder) report(path, reason string, raw json.RawMessage) {
	d.broken = append(d.broken, Broken{Path: path, Reason: reason, Raw: raw})
}

func (d *decoder) entry(path string, raw json.RawMessage) (Entry, bool) {
	members, ok := d.object(path, raw)
	if !ok {
		return Entry{}, false
	}
	e := Entry{
		BusinessAccountID: d.text(members, path, "id"),
		Time:              d.time(members, path, "time"),
	}
	each(d, members, path, "changes", func(path string, raw json.RawMessage) {
		members, ok := d.object(path, raw)
		if !ok {
			return
		}
		c := Change{Field: d.text(members, path, "field")}
		c.Value = d.value(join(path, "value"), members["value"], c.Field)
		e.Changes = append(e.Changes, c)
	})
	return e, true
}

func (d *decoder) value(path string, raw json.RawMessage, field string) Value {
	v := Value{Raw: raw}
	members, ok := object(raw)
	if !ok {
		// Only the values of messages are known to be objects.
		if field == FieldMessages {
			d.report(path, "expected an object, found "+kind(raw), raw)
		}
		return v
	}
	if metadata, ok := object(members["metadata"]); ok {
		at := join(path, "metadata")
		v.Metadata.DisplayPhoneNumber = d.text(metadata, at, "display_phone_number")
		v.Metadata.PhoneNumberID = d.text(metadata, at, "phone_number_id")
	}
	each(d, members, path, "contacts", func(path string, raw json.RawMessage) {
		if c, ok := d.contact(path, raw); ok {
			v.Contacts = append(v.Contacts, c)
		}
	})
	// Other fields use the same names for other things: "statuses" of calls are
	// not statuses of messages.
	if field != FieldMessages {
		return v
	}
	each(d, members, path, "messages", func(path string, raw json.RawMessage) {
		if m, ok := d.message(path, raw); ok {
			v.Messages = append(v.Messages, m)
		}
	})
	each(d, members, path, "statuses", func(path string, raw json.RawMessage) {
		if s, ok := d.status(path, raw); ok {
			v.Statuses = append(v.Statuses, s)
		}
	})
	v.Errors = d.errors(members, path)
	return v
}

func (d *decoder) contact(path string, raw json.RawMessage) (Contact, bool) {
	members, ok := d.object(path, raw)
	if !ok {
		return Contact{}, false
	}
	c := Contact{
		WAID:            d.text(members, path, "wa_id"),
		UserID:          d.text(members, path, "user_id"),
		ParentUserID:    d.text(members, path, "parent_user_id"),
		IdentityKeyHash: d.text(members, path, "identity_key_hash"),
	}
	if profile, ok := object(members["profile"]); ok {
		at := join(path, "profile")
		c.Name = d.text(profile, at, "name")
		c.Username = d.text(profile, at, "username")
	}
	return c, true
}

func (d *decoder) message(path string, raw json.RawMessage) (Message, bool) {
	members, ok := d.object(path, raw)
	if !ok {
		return Message{}, false
	}
	m := Message{ID: d.text(members, path, "id")}
	if m.ID == "" {
		d.report(path, "the message has no id", raw)
		return Message{}, false
	}
	d.content(&m, members, path)
	m.Raw = raw
	return m, true
}

// content reads all of a message but its id, which the message inside an edit
// does not have.
func (d *decoder) content(m *Message, members map[string]json.RawMessage, path string) {
	m.From = d.text(members, path, "from")
	m.FromUserID = d.text(members, path, "from_user_id")
	m.FromParentUserID = d.text(members, path, "from_parent_user_id")
	m.GroupID = d.text(members, path, "group_id")
	m.Timestamp = d.time(members, path, "timestamp")
	m.Type = d.text(members, path, "type")

	part(d, &m.Text, members, path, TypeText)
	part(d, &m.Image, members, path, TypeImage)
	part(d, &m.Video, members, path, TypeVideo)
	part(d, &m.Audio, members, path, TypeAudio)
	part(d, &m.Document, members, path, TypeDocument)
	part(d, &m.Sticker, members, path, TypeSticker)
	part(d, &m.Location, members, path, TypeLocation)
	part(d, &m.Reaction, members, path, TypeReaction)
	part(d, &m.Interactive, members, path, TypeInteractive)
	part(d, &m.Button, members, path, TypeButton)
	part(d, &m.Order, members, path, TypeOrder)
	part(d, &m.System, members, path, TypeSystem)
	part(d, &m.Unsupported, members, path, TypeUnsupported)
	part(d, &m.Revoke, members, path, TypeRevoke)
	part(d, &m.Context, members, path, "context")
	part(d, &m.Referral, members, path, "referral")
	part(d, &m.Identity, members, path, "identity")
	each(d, members, path, TypeContacts, func(path string, raw json.RawMessage) {
		var c SharedContact
		if d.unmarshal(path, raw, &c) {
			m.Contacts = append(m.Contacts, c)
		}
	})
	part(d, &m.Edit, members, path, TypeEdit)
	if m.Edit != nil {
		d.edited(m.Edit, members[TypeEdit], join(path, TypeEdit))
	}
	m.Errors = d.errors(members, path)
}

func (d *decoder) edited(e *Edit, raw json.RawMessage, path string) {
	members, _ := object(raw)
	inner, ok := object(members["message"])
	if !ok {
		return
	}
	// An edit inside an edit means nothing, and following it would let a body
	// choose how deep this recurses.
	delete(inner, TypeEdit)
	e.Message = &Message{Raw: members["message"]}
	d.content(e.Message, inner, join(path, "message"))
}

func (d *decoder) status(path string, raw json.RawMessage) (Status, bool) {
	members, ok := d.object(path, raw)
	if !ok {
		return Status{}, false
	}
	s := Status{
		ID:                    d.text(members, path, "id"),
		Status:                d.text(members, path, "status"),
		Timestamp:             d.time(members, path, "timestamp"),
		RecipientID:           d.text(members, path, "recipient_id"),
		RecipientUserID:       d.text(members, path, "recipient_user_id"),
		RecipientParentUserID: d.text(members, path, "recipient_parent_user_id"),
		RecipientType:         d.text(members, path, "recipient_type"),
		BizOpaqueCallbackData: d.text(members, path, "biz_opaque_callback_data"),
		Raw:                   raw,
	}
	if s.ID == "" {
		d.report(path, "the status names no message id", raw)
		return Status{}, false
	}
	part(d, &s.Conversation, members, path, "conversation")
	part(d, &s.Pricing, members, path, "pricing")
	s.Errors = d.errors(members, path)
	return s, true
}

func (d *decoder) errors(members map[string]json.RawMessage, path string) []Error {
	var list []Error
	each(d, members, path, "errors", func(path string, raw json.RawMessage) {
		var wire struct {
			Code      int    `json:"code"`
			Title     string `json:"title"`
			Message   string `json:"message"`
			Href      string `json:"href"`
			ErrorData struct {
				Details string `json:"details"`
			} `json:"error_data"`
		}
		if d.unmarshal(path, raw, &wire) {
			list = append(list, Error{
				Code: wire.Code, Title: wire.Title, Message: wire.Message,
				Details: wire.ErrorData.Details, Href: wire.Href,
			})
		}
	})
	return list
}

func (d *decoder) object(path string, raw json.RawMessage) (map[string]json.RawMessage, bool) {
	members, ok := object(raw)
	if !ok {
		d.report(path, "expected an object, found "+kind(raw), raw)
	}
	return members, ok
}

// text reads a string. Ids and phone numbers sometimes come as numbers.
func (d *decoder) text(members map[string]json.RawMessage, path, name string) string {
	raw, ok := members[name]
	if !ok {
		return ""
	}
	text, err := stringOrNumber(raw)
	if err != nil {
		d.report(join(path, name), "expected a string, found "+kind(raw), raw)
	}
	return text
}

func (d *decoder) time(members map[string]json.RawMessage, path, name string) time.Time {
	var t Timestamp
	if raw, ok := members[name]; ok {
		if err := t.UnmarshalJSON(raw); err != nil {
			d.report(join(path, name), err.Error(), raw)
		}
	}
	return t.Time
}

func (d *decoder) unmarshal(path string, raw json.RawMessage, into any) bool {
	if err := json.Unmarshal(raw, into); err != nil {
		d.report(path, reason(err), raw)
		return false
	}
	return true
}

// part reads an optional member into a pointer, which stays nil where the
// member is absent, null or unreadable.
func part[T any](d *decoder, into **T, members map[string]json.RawMessage, path, name string) {
	raw, ok := members[name]
	if !ok || isNull(raw) {
		return
	}
	value := new(T)
	if d.unmarshal(join(path, name), raw, value) {
		*into = value
	}
}

// each calls read with every element of an optional list.
func each(d *decoder, members map[string]json.RawMessage, path, name string, read func(path string, raw json.RawMessage)) {
	raw, ok := members[name]
	if !ok || isNull(raw) {
		return
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		d.report(join(path, name), "expected a list, found "+kind(raw), raw)
		return
	}
	for i, element := range list {
		read(fmt.Sprintf("%s[%d]", join(path, name), i), element)
	}
}

func object(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, false
	}
	return members, true
}

func stringOrNumber(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	switch kind(raw) {
	case "null":
		return "", nil
	case "a number":
		return string(raw), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func isNull(raw json.RawMessage) bool { return kind(raw) == "null" }

// kind names the kind of a JSON value for people.
func kind(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// reason words an error of encoding/json without the values that it quotes.
func reason(err error) string {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		found, _, _ := bytes.Cut([]byte(mismatch.Value), []byte(" "))
		if mismatch.Field == "" {
			return fmt.Sprintf("a %s where another type belongs", found)
		}
		return fmt.Sprintf("%s: a %s where another type belongs", mismatch.Field, found)
	}
	if errors.Is(err, errTimestamp) {
		return err.Error()
	}
	return "not in the expected form"
}
