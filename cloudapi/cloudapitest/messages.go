package cloudapitest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// customerServiceWindow is how long after a customer's message the business may
// answer freely.
const customerServiceWindow = 24 * time.Hour

// SentMessage is a message that a business sent to a customer.
type SentMessage struct {
	ID            string    `json:"id"`
	PhoneNumberID string    `json:"phoneNumberID"`
	Time          time.Time `json:"time"`
	// To is the customer's phone number in digits, empty for a message that was
	// addressed to a user id.
	To string `json:"to,omitempty"`
	// Recipient is the user id that the message was addressed to.
	Recipient string `json:"recipient,omitempty"`
	Type      string `json:"type"`
	// Text is the body of a text message.
	Text string `json:"text,omitempty"`
	// MediaID, Caption and Filename are those of a file.
	MediaID  string `json:"mediaID,omitempty"`
	Caption  string `json:"caption,omitempty"`
	Filename string `json:"filename,omitempty"`
	ReplyTo  string `json:"replyTo,omitempty"`
	// BizOpaqueCallbackData comes back in every status.
	BizOpaqueCallbackData string `json:"bizOpaqueCallbackData,omitempty"`
	// Body is the message as received.
	Body json.RawMessage `json:"body"`

	appID    string
	customer *Customer
}

// EnforceWindow makes messages fail with error 131047 unless the customer wrote
// to the number within the last 24 hours of the server's clock.
func (s *Server) EnforceWindow(enforce bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = enforce
}

// SetStatuses sets the statuses that are reported by webhook for every message
// sent, in order; "sent" and "delivered" unless told. With none, report them
// with [Server.ReportStatus].
func (s *Server) SetStatuses(statuses ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = statuses
}

// Sent returns all messages that businesses sent, in order.
func (s *Server) Sent() []SentMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := make([]SentMessage, 0, len(s.messageIDs))
	for _, id := range s.messageIDs {
		sent = append(sent, *s.messages[id])
	}
	return sent
}

// ReportStatus reports the status of a sent message by webhook. It panics if
// there is no such message.
func (s *Server) ReportStatus(messageID, status string) {
	s.report(messageID, status, 0)
}

// ReportFailure reports by webhook that a sent message failed with one of
// Meta's error codes. It panics if there is no such message.
func (s *Server) ReportFailure(messageID string, code int) {
	s.report(messageID, "failed", code)
}

func (s *Server) report(messageID, status string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[messageID]
	if m == nil {
		panic("cloudapitest: no message with this id was sent")
	}
	s.enqueue(m.PhoneNumberID, s.statusValue(m, status, code))
}

func (s *Server) sendMessage(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, failed := s.number(c, cloudapi.ScopeMessaging)
	if failed != nil {
		return nil, failed
	}
	if c.text("messaging_product") != "whatsapp" {
		return nil, badParameter("The parameter messaging_product is required.")
	}
	if c.text("status") == "read" {
		if !strings.HasPrefix(c.text("message_id"), "wamid.") {
			return nil, badParameter("Invalid parameter: message_id")
		}
		return success, nil
	}
	m, failed := s.readMessage(c, n)
	if failed != nil {
		return nil, failed
	}
	if failed := s.admit(n, m); failed != nil {
		return nil, failed
	}
	s.messages[m.ID] = m
	s.messageIDs = append(s.messageIDs, m.ID)
	for _, status := range s.statuses {
		s.enqueue(n.ID, s.statusValue(m, status, 0))
	}
	return sendAnswer(c, m), nil
}

func sendAnswer(c *graphCall, m *SentMessage) map[string]any {
	contact := map[string]any{"input": m.Recipient, "user_id": m.Recipient}
	if m.To != "" {
		contact = map[string]any{"input": c.text("to"), "wa_id": m.To}
	}
	message := map[string]any{"id": m.ID}
	if m.Type == "template" {
		message["message_status"] = "accepted"
	}
	return map[string]any{
		"messaging_product": "whatsapp",
		"contacts":          []map[string]any{contact},
		"messages":          []map[string]any{message},
	}
}

// readMessage checks a message and finds its customer; s.mu is held.
func (s *Server) readMessage(c *graphCall, n *number) (*SentMessage, *graphError) {
	m := &SentMessage{
		ID: newMessageID(), PhoneNumberID: n.ID, Time: s.clock.Now(), Type: c.text("type"),
		BizOpaqueCallbackData: c.text("biz_opaque_callback_data"), appID: c.app.ID,
	}
	switch to, recipient := c.text("to"), c.text("recipient"); {
	case to != "":
		// A phone number counts before a user id.
		m.To = cloudapi.Digits(to)
		if !strings.HasPrefix(to, "+") {
			m.To = n.CountryDialCode + m.To
		}
		if len(m.To) < 7 || len(m.To) > 15 {
			return nil, badParameter("Invalid parameter: to is not a phone number")
		}
		m.customer = s.customerByPhone(m.To)
	case recipient != "":
		m.Recipient = recipient
		m.customer = s.customerByUserID(recipient)
	default:
		return nil, badParameter("The parameter to is required.")
	}
	if m.Type == "" {
		m.Type = "text"
	}
	if !slices.Contains(sendableTypes, m.Type) {
		return nil, badParameter("Param type must be one of {%s}", strings.ToUpper(strings.Join(sendableTypes, ", ")))
	}
	if c.parameters[m.Type] == nil {
		return nil, messageError(131008, "Parameter '"+m.Type+"' is mandatory for type '"+m.Type+"'")
	}
	if utf8.RuneCountInString(m.BizOpaqueCallbackData) > cloudapi.MaxCallbackData {
		return nil, badParameter("Param biz_opaque_callback_data must be at most %d characters long", cloudapi.MaxCallbackData)
	}
	if failed := m.readText(c); failed != nil {
		return nil, failed
	}
	if failed := s.readMedia(c, m); failed != nil {
		return nil, failed
	}
	if context, ok := c.parameters["context"].(map[string]any); ok {
		m.ReplyTo, _ = context["message_id"].(string)
	}
	m.Body, _ = json.Marshal(withoutToken(c.parameters))
	return m, nil
}

var sendableTypes = []string{"audio", "contacts", "document", "image", "interactive", "location", "reaction", "sticker", "template", "text", "video"}

func (m *SentMessage) readText(c *graphCall) *graphError {
	if m.Type != "text" {
		return nil
	}
	content, _ := c.parameters["text"].(map[string]any)
	m.Text, _ = content["body"].(string)
	if m.Text == "" {
		return badParameter("The parameter text['body'] is required.")
	}
	if utf8.RuneCountInString(m.Text) > cloudapi.MaxTextLength {
		return badParameter("Param text['body'] must be at most %d characters long.", cloudapi.MaxTextLength)
	}
	return nil
}

// admit refuses messages that WhatsApp would not take now; s.mu is held.
func (s *Server) admit(n *number, m *SentMessage) *graphError {
	if n.Status != "CONNECTED" {
		return errorOfCode(133010)
	}
	if m.To != "" && m.To == cloudapi.Digits(n.DisplayPhoneNumber) {
		return errorOfCode(131021)
	}
	wrote, ever := m.customer.wrote[n.ID]
	if s.window && m.Type != "template" && (!ever || m.Time.Sub(wrote) > customerServiceWindow) {
		return messageError(131047, "Message failed to send because more than 24 hours have passed since the customer last replied to this number.")
	}
	return nil
}

func withoutToken(parameters map[string]any) map[string]any {
	clean := map[string]any{}
	for name, value := range parameters {
		if name != "access_token" && name != "appsecret_proof" {
			clean[name] = value
		}
	}
	return clean
}

func newMessageID() string {
	random := make([]byte, 30)
	_, _ = rand.Read(random)
	return "wamid." + base64.StdEncoding.EncodeToString(random)
}

// statusValue builds the value of a status webhook; s.mu is held.
func (s *Server) statusValue(m *SentMessage, status string, code int) map[string]any {
	entry := map[string]any{
		"id":        m.ID,
		"status":    status,
		"timestamp": fmt.Sprint(s.clock.Now().Unix()),
	}
	if m.To != "" {
		entry["recipient_id"] = m.To
	}
	if m.BizOpaqueCallbackData != "" {
		entry["biz_opaque_callback_data"] = m.BizOpaqueCallbackData
	}
	value := map[string]any{"statuses": []any{entry}}
	if status == "failed" {
		e := errorOfCode(code)
		entry["errors"] = []any{map[string]any{
			"code": code, "title": http.StatusText(e.status), "message": e.message,
			"error_data": map[string]any{"details": e.message},
		}}
		if m.Recipient != "" {
			entry["recipient_user_id"] = m.Recipient
		}
		return value
	}
	entry["recipient_user_id"] = m.customer.userID
	entry["pricing"] = map[string]any{"billable": false, "pricing_model": "PMP", "type": "regular", "category": "service"}
	value["contacts"] = []any{m.customer.contact()}
	return value
}
