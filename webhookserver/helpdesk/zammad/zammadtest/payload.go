package zammadtest

import (
	"maps"
	"net/url"
	"strconv"
)

// payload is what a webhook says: the ticket and one article, with names in place of IDs, without the content of files
// and without users' preferences (app/jobs/trigger_webhook_job/record_payload).
func (s *Server) payload(ticketID, articleID int) map[string]any {
	payload := map[string]any{"ticket": map[string]any{}, "article": map[string]any{}}
	if t := s.ticket(ticketID); t != nil {
		body := s.ticketBody(t)
		body["state"] = nameOf(stateNames, t.StateID)
		body["create_article_type"] = nameOf(articleTypes, t.CreateTypeID)
		body["create_article_sender"] = nameOf(senders, t.CreateSenderID)
		body["priority"] = map[string]any{"id": 2, "name": "2 normal", "active": true, "default_create": true}
		g := s.group(t.GroupID)
		body["group"] = map[string]any{"id": g.ID, "name": g.Name, "active": g.Active}
		for name, id := range map[string]int{
			"customer": t.CustomerID, "owner": t.OwnerID, "created_by": t.CreatedByID, "updated_by": t.UpdatedByID,
		} {
			body[name] = s.payloadUser(id)
		}
		payload["ticket"] = body
	}
	if a := s.article(articleID); a != nil {
		body := s.articleBody(a)
		attachments := []any{}
		for _, f := range a.Attachments {
			// The URLs are made of the settings http_type and fqdn, whatever the address that the caller knows.
			where := url.URL{Scheme: "https", Host: s.fqdn, Path: "/api/v1/ticket_attachment/" +
				strconv.Itoa(a.TicketID) + "/" + strconv.Itoa(a.ID) + "/" + strconv.Itoa(f.ID)}
			attachments = append(attachments, map[string]any{
				"id": f.ID, "filename": f.Filename, "size": strconv.Itoa(len(f.Data)), "preferences": f.Preferences, "url": where.String(),
			})
		}
		body["attachments"] = attachments
		body["created_by"], body["updated_by"] = s.payloadUser(a.CreatedByID), s.payloadUser(a.UpdatedByID)
		payload["article"] = body
	}
	return payload
}

func (s *Server) payloadUser(id int) map[string]any {
	u := s.user(id)
	if u == nil {
		return nil
	}
	body := maps.Clone(s.userBody(u))
	delete(body, "preferences")
	return body
}
