package zammadtest

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// maxArticle is how many characters an article may have (app/models/ticket/article.rb#check_body).
const maxArticle = 1_500_000

// newArticle reads an article, as app/controllers/concerns/creates_ticket_articles.rb does. Nothing is stored yet.
func (s *Server) newArticle(c *call, t *ticket, p map[string]any) (*article, *apiError) {
	body, hasBody := p["body"].(string)
	if !hasBody {
		return nil, unprocessable(`Need at least article: { body: "some text" }`)
	}
	now := s.clock.Now()
	a := &article{
		TicketID: t.ID, Body: body, From: text(p["from"]), To: text(p["to"]), Cc: text(p["cc"]), Subject: text(p["subject"]),
		MessageID: text(p["message_id"]), InReplyTo: text(p["in_reply_to"]), ContentType: text(p["content_type"]),
		Internal: isTrue(p["internal"]), OriginByID: number(p["origin_by_id"]), Preferences: map[string]any{},
		CreatedAt: now, UpdatedAt: now, CreatedByID: c.user.ID, UpdatedByID: c.user.ID,
	}
	if a.ContentType == "" {
		a.ContentType = "text/plain"
	}
	if preferences, ok := p["preferences"].(map[string]any); ok {
		a.Preferences = preferences
	}
	var failed *apiError
	if a.TypeID, failed = lookup(articleTypes, p, "type", "note"); failed != nil {
		return nil, failed
	}
	if a.SenderID, failed = lookup(senders, p, "sender", "Agent"); failed != nil {
		return nil, failed
	}
	if length := len([]rune(body)); length > maxArticle {
		return nil, unprocessable("body of article is too large, %d chars - only %d allowed", length, maxArticle)
	}
	if a.From == "" {
		// The author's name, or that of whom the article is written for (app/models/ticket/article/adds_metadata_general.rb).
		author := c.user
		if origin := s.user(a.OriginByID); origin != nil {
			author = origin
		}
		a.From = author.name()
	}
	a.Attachments, failed = s.newAttachments(p)
	return a, failed
}

// lookup turns the name of an association into its ID (association_name_to_id_convert), or takes the ID.
func lookup(list []string, p map[string]any, name, otherwise string) (int, *apiError) {
	if id := number(p[name+"_id"]); id != 0 {
		return id, nil
	}
	given := text(p[name])
	if given == "" {
		given = otherwise
	}
	if id := indexOf(list, given); id != 0 {
		return id, nil
	}
	return 0, unprocessable("No lookup value found for '%s': %q", name, given)
}

// newAttachments reads attachments, each of which needs all three keys, and base64 without anything else in it but line
// breaks (Base64.strict_decode64).
func (s *Server) newAttachments(p map[string]any) ([]attachment, *apiError) {
	given, _ := p["attachments"].([]any)
	var list []attachment
	for i, item := range given {
		fields, _ := item.(map[string]any)
		for _, key := range []string{"mime-type", "filename", "data"} {
			if _, ok := fields[key].(string); !ok {
				return nil, unprocessable("Attachment needs '%s' param for attachment with index '%d'", key, i)
			}
		}
		encoded := strings.NewReplacer("\r", "", "\n", "").Replace(text(fields["data"]))
		data, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil {
			return nil, unprocessable("Invalid base64 for attachment with index '%d'", i)
		}
		list = append(list, attachment{
			Filename: text(fields["filename"]), Data: data, Preferences: map[string]any{"Mime-Type": text(fields["mime-type"])},
		})
	}
	return list, nil
}

// addArticle stores an article, notes it in the ticket's history and moves the ticket's own times.
func (s *Server) addArticle(t *ticket, a *article) {
	s.articleID++
	a.ID = s.articleID
	for i := range a.Attachments {
		s.attachmentID++
		a.Attachments[i].ID = s.attachmentID
	}
	s.articles = append(s.articles, a)
	s.note(historyEntry{Type: "created", Object: "Ticket::Article", OID: a.ID, RelatedOID: t.ID, CreatedByID: a.CreatedByID})
	t.UpdatedAt, t.UpdatedByID = a.CreatedAt, a.CreatedByID
	if t.CreateTypeID == 0 {
		t.CreateTypeID, t.CreateSenderID = a.TypeID, a.SenderID
	}
}

// createArticle is POST /api/v1/ticket_articles.
func (s *Server) createArticle(c *call) (int, any, *apiError) {
	t, failed := s.writable(c, number(c.parameters["ticket_id"]))
	if failed != nil {
		return 0, nil, failed
	}
	a, failed := s.newArticle(c, t, c.parameters)
	if failed != nil {
		return 0, nil, failed
	}
	s.addArticle(t, a)
	s.trigger(t, change{kind: "update", article: a})
	return http.StatusCreated, s.articleBody(a), nil
}

// articlesByTicket is GET /api/v1/ticket_articles/by_ticket/:id.
func (s *Server) articlesByTicket(c *call) (int, any, *apiError) {
	t, failed := s.readable(c, c.id("id"))
	if failed != nil {
		return 0, nil, failed
	}
	list := []any{}
	for _, a := range s.articlesOf(t.ID) {
		list = append(list, s.articleBody(a))
	}
	return http.StatusOK, list, nil
}

// updateArticle changes whether an article is internal, and nothing else: what else is sent is ignored
// (app/controllers/ticket_articles_controller.rb#update).
func (s *Server) updateArticle(c *call) (int, any, *apiError) {
	a := s.article(c.id("id"))
	if a == nil {
		return 0, nil, notFound("Ticket::Article", c.id("id"))
	}
	if _, failed := s.writable(c, a.TicketID); failed != nil {
		return 0, nil, failed
	}
	if internal, given := c.parameters["internal"].(bool); given {
		a.Internal, a.UpdatedAt, a.UpdatedByID = internal, s.clock.Now(), c.user.ID
	}
	return http.StatusOK, s.articleBody(a), nil
}

// getAttachment is GET /api/v1/ticket_attachment/:ticket/:article/:id. The ticket may be one that was merged.
func (s *Server) getAttachment(c *call) (int, any, *apiError) {
	t, failed := s.readable(c, c.id("id"))
	if failed != nil {
		return 0, nil, failed
	}
	a := s.article(c.id("article"))
	if a == nil {
		return 0, nil, notFound("Ticket::Article", c.id("article"))
	}
	if a.TicketID != t.ID && t.StateID != stateMerged {
		return 0, nil, forbidden("The article does not belong to the specified ticket.")
	}
	for _, f := range a.Attachments {
		if f.ID == c.id("attachment") {
			mimeType := text(f.Preferences["Mime-Type"])
			return http.StatusOK, file{f.Filename, mimeType, f.Data}, nil
		}
	}
	return 0, nil, forbidden("The file does not belong to the specified article.")
}

// articleBody is an article as Ticket::Article#attributes_with_association_names gives it.
func (s *Server) articleBody(a *article) map[string]any {
	attachments := []any{}
	for _, f := range a.Attachments {
		attachments = append(attachments, map[string]any{
			"id": f.ID, "filename": f.Filename, "size": strconv.Itoa(len(f.Data)), "preferences": f.Preferences,
		})
	}
	return map[string]any{
		"id": a.ID, "ticket_id": a.TicketID, "type_id": a.TypeID, "type": nameOf(articleTypes, a.TypeID), "sender_id": a.SenderID,
		"sender": nameOf(senders, a.SenderID), "from": a.From, "to": a.To, "cc": a.Cc, "subject": a.Subject, "reply_to": nil,
		"message_id": orNil(a.MessageID), "message_id_md5": orNil(md5Of(a.MessageID)), "in_reply_to": orNil(a.InReplyTo),
		"references": nil, "content_type": a.ContentType, "body": a.Body, "internal": a.Internal, "preferences": a.Preferences,
		"origin_by_id": idOrNil(a.OriginByID), "created_by_id": a.CreatedByID, "updated_by_id": a.UpdatedByID,
		"created_by": s.loginOf(a.CreatedByID), "updated_by": s.loginOf(a.UpdatedByID),
		"created_at": a.CreatedAt, "updated_at": a.UpdatedAt, "attachments": attachments, "time_unit": nil,
	}
}

func (s *Server) loginOf(id int) string {
	if u := s.user(id); u != nil {
		return u.Login
	}
	return ""
}

// md5Of is what message_id_md5 holds (app/models/ticket/article.rb#check_message_id_md5).
func md5Of(messageID string) string {
	if messageID == "" {
		return ""
	}
	sum := md5.Sum([]byte(messageID))
	return hex.EncodeToString(sum[:])
}

func orNil(value string) any {
	if value == "" {
		return nil
	}
	return value
}

func idOrNil(id int) any {
	if id == 0 {
		return nil
	}
	return id
}
