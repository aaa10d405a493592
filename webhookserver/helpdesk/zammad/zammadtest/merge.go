package zammadtest

import (
	"net/http"
	"slices"
)

// mergeTicket is PUT /api/v1/ticket_merge/:source_id/:target_number. Its failures are answered with status 200
// (app/controllers/tickets_controller.rb#ticket_merge).
func (s *Server) mergeTicket(c *call) (int, any, *apiError) {
	i := slices.IndexFunc(s.tickets, func(t *ticket) bool { return t.Number == c.r.PathValue("number") })
	if i < 0 {
		return http.StatusOK, map[string]any{"result": "failed", "message": "The target ticket number could not be found."}, nil
	}
	target := s.tickets[i]
	if _, failed := s.writable(c, target.ID); failed != nil {
		return 0, nil, failed
	}
	source := s.ticket(c.id("id"))
	if source == nil {
		return http.StatusOK, map[string]any{"result": "failed", "message": "The source ticket could not be found."}, nil
	}
	if failed := s.merge(source, target, c.user.ID); failed != nil {
		return 0, nil, failed
	}
	return http.StatusOK, map[string]any{"result": "success", "target_ticket": s.ticketBody(target), "source_ticket": s.ticketBody(source)}, nil
}

// merge does what Ticket#merge_to does (app/models/ticket.rb): the articles move, an article "merged" of the sender
// Agent, not internal, stays behind, and the source gets the state merged.
func (s *Server) merge(source, target *ticket, by int) *apiError {
	if target.StateID == stateMerged {
		return unprocessable("It is not possible to merge into an already merged ticket.")
	}
	if source.ID == target.ID {
		return unprocessable("A ticket cannot be merged into itself.")
	}
	now := s.clock.Now()
	for _, a := range s.articlesOf(source.ID) {
		a.TicketID, a.UpdatedAt = target.ID, now
	}
	s.note(historyEntry{Type: "received_merge", Object: "Ticket", OID: target.ID, IDFrom: source.ID, IDTo: target.ID, CreatedByID: by})
	s.note(historyEntry{Type: "merged_into", Object: "Ticket", OID: source.ID, IDFrom: source.ID, IDTo: target.ID, CreatedByID: by})
	left := &article{
		TicketID: source.ID, TypeID: indexOf(articleTypes, "note"), SenderID: indexOf(senders, "Agent"), Body: "merged", ContentType: "text/plain",
		From: s.user(by).name(), Preferences: map[string]any{}, CreatedAt: now, UpdatedAt: now, CreatedByID: by, UpdatedByID: by,
	}
	changed := source.clone()
	changed.StateID, changed.OwnerID, changed.PendingTime = stateMerged, systemUser, nil
	s.apply(source, changed, left, by)
	target.UpdatedAt, target.UpdatedByID = now, by
	return nil
}

// note adds a line to the history.
func (s *Server) note(e historyEntry) {
	e.CreatedAt = s.clock.Now()
	s.history = append(s.history, e)
}

// ticketHistory is GET /api/v1/ticket_history/:id: the ticket's own lines and those of articles that were written on it,
// and not of those that were moved to it (app/models/history.rb#list by related_o_id).
func (s *Server) ticketHistory(c *call) (int, any, *apiError) {
	t, failed := s.readable(c, c.id("id"))
	if failed != nil {
		return 0, nil, failed
	}
	list := []any{}
	for i, e := range s.history {
		itself, ofArticle := e.Object == "Ticket" && e.OID == t.ID, e.Object == "Ticket::Article" && e.RelatedOID == t.ID
		if !itself && !ofArticle {
			continue
		}
		line := map[string]any{
			"id": i + 1, "type": e.Type, "object": e.Object, "o_id": e.OID, "created_by_id": e.CreatedByID, "created_at": e.CreatedAt,
		}
		if e.RelatedOID != 0 {
			line["related_object"], line["related_o_id"] = "Ticket", e.RelatedOID
		}
		if e.Attribute != "" {
			line["attribute"] = e.Attribute
		}
		if e.IDTo != 0 {
			line["id_from"], line["id_to"] = e.IDFrom, e.IDTo
		}
		list = append(list, line)
	}
	return http.StatusOK, map[string]any{"history": list, "assets": map[string]any{}}, nil
}
