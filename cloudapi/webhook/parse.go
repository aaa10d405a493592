package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
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
	if !json.Valid(body) {
		return Payload{}, ErrNotJSON
	}
	d := decoder{body: body}
	members, ok := object(gjson.ParseBytes(body))
	if !ok {
		return Payload{}, ErrNotJSON
	}
	p := Payload{Object: d.text(members, "", "object")}
	if p.Object != Object {
		return Payload{}, ErrNotWhatsApp
	}
	each(&d, members, "", "entry", func(path string, element gjson.Result) {
		if entry, ok := d.entry(path, element); ok {
			p.Entries = append(p.Entries, entry)
		}
	})
	p.Broken = d.broken
	return p, nil
}

// A decoder collects what it could not read while it reads the rest. It walks
// over a body that is known to be JSON.
type decoder struct {
	body   []byte
	broken []Broken
}

// attributes are the members of an object, by name.
type attributes map[string]gjson.Result

// raw returns an element as received, which is a part of the body and no copy.
func (d *decoder) raw(element gjson.Result) json.RawMessage {
	if !element.Exists() {
		return nil
	}
	return d.body[element.Index:][:len(element.Raw):len(element.Raw)]
}

func (d *decoder) report(path, reason string, element gjson.Result) {
	d.broken = append(d.broken, Broken{Path: path, Reason: reason, Raw: d.raw(element)})
}

func (d *decoder) entry(path string, element gjson.Result) (Entry, bool) {
	members, ok := d.object(path, element)
	if !ok {
		return Entry{}, false
	}
	e := Entry{
		BusinessAccountID: d.text(members, path, "id"),
		Time:              d.time(members, path, "time"),
	}
	each(d, members, path, "changes", func(path string, element gjson.Result) {
		members, ok := d.object(path, element)
		if !ok {
			return
		}
		c := Change{Field: d.text(members, path, "field")}
		c.Value = d.value(join(path, "value"), members["value"], c.Field)
		e.Changes = append(e.Changes, c)
	})
	return e, true
}

func (d *decoder) value(path string, element gjson.Result, field string) Value {
	v := Value{Raw: d.raw(element)}
	members, ok := object(element)
	if !ok {
		// Only the values of messages are known to be objects.
		if field == FieldMessages {
			d.report(path, "expected an object, found "+kind(element), element)
		}
		return v
	}
	if metadata, ok := object(members["metadata"]); ok {
		at := join(path, "metadata")
		v.Metadata.DisplayPhoneNumber = d.text(metadata, at, "display_phone_number")
		v.Metadata.PhoneNumberID = d.text(metadata, at, "phone_number_id")
	}
	each(d, members, path, "contacts", func(path string, element gjson.Result) {
		if c, ok := d.contact(path, element); ok {
			v.Contacts = append(v.Contacts, c)
		}
	})
	// Other fields use the same names for other things: "statuses" of calls are
	// not statuses of messages.
	if field != FieldMessages {
		return v
	}
	each(d, members, path, "messages", func(path string, element gjson.Result) {
		if m, ok := d.message(path, element); ok {
			v.Messages = append(v.Messages, m)
		}
	})
	each(d, members, path, "statuses", func(path string, element gjson.Result) {
		if s, ok := d.status(path, element); ok {
			v.Statuses = append(v.Statuses, s)
		}
	})
	v.Errors = d.errors(members, path)
	return v
}

func (d *decoder) contact(path string, element gjson.Result) (Contact, bool) {
	members, ok := d.object(path, element)
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

func (d *decoder) message(path string, element gjson.Result) (Message, bool) {
	members, ok := d.object(path, element)
	if !ok {
		return Message{}, false
	}
	m := Message{ID: d.text(members, path, "id")}
	if m.ID == "" {
		d.report(path, "the message has no id", element)
		return Message{}, false
	}
	d.content(&m, members, path)
	m.Raw = d.raw(element)
	return m, true
}

// content reads all of a message but its id, which the message inside an edit
// does not have.
func (d *decoder) content(m *Message, members attributes, path string) {
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
	each(d, members, path, TypeContacts, func(path string, element gjson.Result) {
		var c SharedContact
		if d.unmarshal(path, element, &c) {
			m.Contacts = append(m.Contacts, c)
		}
	})
	part(d, &m.Edit, members, path, TypeEdit)
	if m.Edit != nil {
		d.edited(m.Edit, members[TypeEdit], join(path, TypeEdit))
	}
	m.Errors = d.errors(members, path)
}

func (d *decoder) edited(e *Edit, element gjson.Result, path string) {
	members, _ := object(element)
	inner, ok := object(members["message"])
	if !ok {
		return
	}
	// An edit inside an edit means nothing, and following it would let a body
	// choose how deep this recurses.
	delete(inner, TypeEdit)
	e.Message = &Message{Raw: d.raw(members["message"])}
	d.content(e.Message, inner, join(path, "message"))
}

func (d *decoder) status(path string, element gjson.Result) (Status, bool) {
	members, ok := d.object(path, element)
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
		Raw:                   d.raw(element),
	}
	if s.ID == "" {
		d.report(path, "the status names no message id", element)
		return Status{}, false
	}
	part(d, &s.Conversation, members, path, "conversation")
	part(d, &s.Pricing, members, path, "pricing")
	s.Errors = d.errors(members, path)
	return s, true
}

func (d *decoder) errors(members attributes, path string) []Error {
	var list []Error
	each(d, members, path, "errors", func(path string, element gjson.Result) {
		var wire struct {
			Code      int    `json:"code"`
			Title     string `json:"title"`
			Message   string `json:"message"`
			Href      string `json:"href"`
			ErrorData struct {
				Details string `json:"details"`
			} `json:"error_data"`
		}
		if d.unmarshal(path, element, &wire) {
			list = append(list, Error{
				Code: wire.Code, Title: wire.Title, Message: wire.Message,
				Details: wire.ErrorData.Details, Href: wire.Href,
			})
		}
	})
	return list
}

func (d *decoder) object(path string, element gjson.Result) (attributes, bool) {
	members, ok := object(element)
	if !ok {
		d.report(path, "expected an object, found "+kind(element), element)
	}
	return members, ok
}

// text reads a string. Ids and phone numbers sometimes come as numbers.
func (d *decoder) text(members attributes, path, name string) string {
	element, ok := members[name]
	if !ok {
		return ""
	}
	text, err := stringOrNumber(d.raw(element))
	if err != nil {
		d.report(join(path, name), "expected a string, found "+kind(element), element)
	}
	return text
}

func (d *decoder) time(members attributes, path, name string) time.Time {
	var t Timestamp
	if element, ok := members[name]; ok {
		if err := t.UnmarshalJSON(d.raw(element)); err != nil {
			d.report(join(path, name), err.Error(), element)
		}
	}
	return t.Time
}

func (d *decoder) unmarshal(path string, element gjson.Result, into any) bool {
	if err := json.Unmarshal(d.raw(element), into); err != nil {
		d.report(path, reason(err), element)
		return false
	}
	return true
}

// part reads an optional member into a pointer, which stays nil where the
// member is absent, null or unreadable.
func part[T any](d *decoder, into **T, members attributes, path, name string) {
	element, ok := members[name]
	if !ok || element.Type == gjson.Null {
		return
	}
	value := new(T)
	if d.unmarshal(join(path, name), element, value) {
		*into = value
	}
}

// each calls read with every element of an optional list.
func each(d *decoder, members attributes, path, name string, read func(path string, element gjson.Result)) {
	list, ok := members[name]
	if !ok || list.Type == gjson.Null {
		return
	}
	if !list.IsArray() {
		d.report(join(path, name), "expected a list, found "+kind(list), list)
		return
	}
	list.ForEach(func(index, element gjson.Result) bool {
		read(fmt.Sprintf("%s[%d]", join(path, name), index.Int()), element)
		return true
	})
}

func object(element gjson.Result) (attributes, bool) {
	if !element.IsObject() {
		return nil, false
	}
	members := attributes{}
	element.ForEach(func(name, member gjson.Result) bool {
		members[name.Str] = member
		return true
	})
	return members, true
}

// stringOrNumber reads a value that is known to be JSON.
func stringOrNumber(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || raw[0] == 'n':
		return "", nil
	case raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9'):
		return string(raw), nil
	case raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw):
		return string(raw[1 : len(raw)-1]), nil
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

// kind names the kind of a JSON value for people.
func kind(element gjson.Result) string {
	switch {
	case !element.Exists():
		return "nothing"
	case element.IsObject():
		return "an object"
	case element.IsArray():
		return "a list"
	case element.IsBool():
		return "a boolean"
	case element.Type == gjson.String:
		return "a string"
	case element.Type == gjson.Null:
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
