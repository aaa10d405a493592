package zammadtest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

var stateNames = []string{"new", "open", "pending reminder", "closed", "merged", "removed", "pending close"}

// stateTypes are the types of the states, by the states' IDs (db/seeds/ticket_state_types.rb).
var stateTypes = []int{1, 2, 3, 5, 6, 7, 4}

var stateTypeNames = []string{"new", "open", "pending reminder", "pending action", "closed", "merged", "removed"}

// getTicketStates is GET /api/v1/ticket_states.
func (s *Server) getTicketStates(c *call) (int, any, *apiError) {
	if failed := c.need("ticket.agent", "admin.object", "ticket.customer"); failed != nil {
		return 0, nil, failed
	}
	list := []any{}
	for i, name := range stateNames {
		id := i + 1
		next := 0
		if id == statePendingClose {
			next = stateClosed
		}
		body := map[string]any{
			"id": id, "name": name, "state_type_id": stateTypes[i], "next_state_id": idOrNil(next), "ignore_escalation": id > stateOpen,
			"default_create": id == stateNew, "default_follow_up": id == stateOpen, "active": id != stateRemoved, "note": nil,
			"created_by_id": systemUser, "updated_by_id": systemUser, "created_at": s.users[0].CreatedAt, "updated_at": s.users[0].CreatedAt,
		}
		if c.flag("expand") {
			body["state_type"] = stateTypeNames[stateTypes[i]-1]
		}
		list = append(list, body)
	}
	return http.StatusOK, list, nil
}

// readable finds a ticket that the call may see; writable one that it may change (app/policies/ticket_policy.rb). A
// ticket that is there but in a group without access gives 403, one that is not 404.
func (s *Server) readable(c *call, id int) (*ticket, *apiError) {
	t := s.ticket(id)
	if t == nil {
		return nil, notFound("Ticket", id)
	}
	if !c.access(t.GroupID) {
		return nil, notAuthorized()
	}
	return t, nil
}

func (s *Server) writable(c *call, id int) (*ticket, *apiError) { return s.readable(c, id) }

func (s *Server) getTicket(c *call) (int, any, *apiError) {
	t, failed := s.readable(c, c.id("id"))
	if failed != nil {
		return 0, nil, failed
	}
	body := s.ticketBody(t)
	if c.flag("expand") {
		body["state"], body["group"] = nameOf(stateNames, t.StateID), s.group(t.GroupID).Name
	}
	return http.StatusOK, body, nil
}

// createTicket is POST /api/v1/tickets: customer, ticket, tags and first article in one transaction.
func (s *Server) createTicket(c *call) (int, any, *apiError) {
	if failed := c.need("ticket.agent"); failed != nil {
		return 0, nil, failed
	}
	p, now := c.parameters, s.clock.Now()
	t := &ticket{
		Title: text(p["title"]), StateID: stateNew, OwnerID: systemUser, Preferences: map[string]any{},
		CreatedAt: now, UpdatedAt: now, CreatedByID: c.user.ID, UpdatedByID: c.user.ID,
	}
	var failed *apiError
	if t.GroupID, failed = s.groupOf(p); failed != nil {
		return 0, nil, failed
	}
	if !c.access(t.GroupID) {
		return 0, nil, notAuthorized()
	}
	if failed := s.setState(t, p); failed != nil {
		return 0, nil, failed
	}
	if preferences, ok := p["preferences"].(map[string]any); ok {
		t.Preferences = preferences
	}
	for tag := range strings.SplitSeq(text(p["tags"]), ",") {
		t.tag(tag)
	}
	given, ok := p["article"].(map[string]any)
	var first *article
	if ok {
		if first, failed = s.newArticle(c, t, given); failed != nil {
			return 0, nil, failed
		}
	}
	users := len(s.users)
	if t.CustomerID, failed = s.customerOf(c); failed != nil {
		s.users = s.users[:users]
		return 0, nil, failed
	}
	s.ticketID++
	t.ID, t.Number = s.ticketID, s.nextNumber()
	s.tickets = append(s.tickets, t)
	s.note(historyEntry{Type: "created", Object: "Ticket", OID: t.ID, CreatedByID: c.user.ID})
	if first != nil {
		first.TicketID = t.ID
		if first.From == c.user.name() && first.SenderID == indexOf(senders, "Customer") && first.OriginByID == 0 {
			first.From = s.user(t.CustomerID).name()
		}
		s.addArticle(t, first)
	}
	s.index(func() { s.indexedTickets[t.ID] = true })
	s.trigger(t, change{kind: "create", article: first})
	return http.StatusCreated, s.ticketBody(t), nil
}

func (t *ticket) tag(name string) {
	if name = strings.TrimSpace(name); name != "" && !slices.Contains(t.Tags, name) {
		t.Tags = append(t.Tags, name)
	}
}

// groupOf finds the group of a ticket by name or ID.
func (s *Server) groupOf(p map[string]any) (int, *apiError) {
	if name := text(p["group"]); name != "" {
		g := s.groupNamed(name)
		if g == nil {
			return 0, unprocessable("No lookup value found for 'group': %q", name)
		}
		return g.ID, nil
	}
	id := number(p["group_id"])
	if s.group(id) == nil {
		return 0, unprocessable("Group can't be blank")
	}
	return id, nil
}

// setState sets the state of a ticket. A pending one needs a time (app/models/ticket.rb: "Missing required value for
// field 'pending_time'!").
func (s *Server) setState(t *ticket, p map[string]any) *apiError {
	id := number(p["state_id"])
	if name := text(p["state"]); name != "" {
		if id = indexOf(stateNames, name); id == 0 {
			return unprocessable("No lookup value found for 'state': %q", name)
		}
	}
	if id == 0 {
		return nil
	}
	if id < 1 || id > len(stateNames) {
		return unprocessable("Invalid value for param 'state_id': %v", p["state_id"])
	}
	pending := id == statePendingReminder || id == statePendingClose
	if given := text(p["pending_time"]); given != "" {
		at, err := time.Parse(time.RFC3339, given)
		if err != nil {
			return unprocessable("Invalid value for param 'pending_time': %s", given)
		}
		t.PendingTime = &at
	}
	if pending && t.PendingTime == nil {
		return unprocessable("Missing required value for field 'pending_time'!")
	}
	if !pending {
		t.PendingTime = nil
	}
	if now := s.clock.Now(); id == stateClosed && t.StateID != stateClosed {
		t.CloseAt = &now
	}
	t.StateID = id
	return nil
}

// updateTicket is PUT /api/v1/tickets/:id: attributes and an article under one lock, preferences merged key by key
// (param_preferences_merge).
func (s *Server) updateTicket(c *call) (int, any, *apiError) {
	t, failed := s.writable(c, c.id("id"))
	if failed != nil {
		return 0, nil, failed
	}
	changed := t.clone()
	p := c.parameters
	if failed := s.setState(changed, p); failed != nil {
		return 0, nil, failed
	}
	if title := text(p["title"]); title != "" {
		changed.Title = title
	}
	if p["group"] != nil || p["group_id"] != nil {
		if changed.GroupID, failed = s.groupOf(p); failed != nil {
			return 0, nil, failed
		}
	}
	if preferences, ok := p["preferences"].(map[string]any); ok {
		maps.Copy(changed.Preferences, preferences)
	}
	var added *article
	if given, ok := p["article"].(map[string]any); ok {
		if added, failed = s.newArticle(c, t, given); failed != nil {
			return 0, nil, failed
		}
	}
	s.apply(t, changed, added, c.user.ID)
	return http.StatusOK, s.ticketBody(t), nil
}

// apply stores a changed ticket with what it wants besides: history and triggers.
func (s *Server) apply(t, changed *ticket, added *article, by int) {
	var attributes []string
	for name, differs := range map[string]bool{
		"state_id": t.StateID != changed.StateID, "group_id": t.GroupID != changed.GroupID, "title": t.Title != changed.Title,
		"owner_id": t.OwnerID != changed.OwnerID,
	} {
		if differs {
			attributes = append(attributes, name)
		}
	}
	if t.StateID != changed.StateID {
		s.note(historyEntry{
			Type: "updated", Object: "Ticket", OID: t.ID, Attribute: "state", IDFrom: t.StateID, IDTo: changed.StateID, CreatedByID: by,
		})
	}
	changed.UpdatedAt, changed.UpdatedByID = s.clock.Now(), by
	*t = *changed
	if added != nil {
		s.addArticle(t, added)
	}
	s.trigger(t, change{kind: "update", attributes: attributes, article: added})
}

// deleteTicket needs admin.ticket… or full access as an admin (app/policies/ticket_policy.rb#destroy?).
func (s *Server) deleteTicket(c *call) (int, any, *apiError) {
	if failed := c.need("admin"); failed != nil {
		return 0, nil, failed
	}
	t := s.ticket(c.id("id"))
	if t == nil {
		return 0, nil, notFound("Ticket", c.id("id"))
	}
	s.remove(t)
	return http.StatusOK, nil, nil
}

func (s *Server) remove(t *ticket) {
	s.tickets = slices.DeleteFunc(s.tickets, func(other *ticket) bool { return other == t })
	s.articles = slices.DeleteFunc(s.articles, func(a *article) bool { return a.TicketID == t.ID })
}

// ticketCustomer lists a customer's tickets from the database (app/models/ticket/screen_options.rb#list_by_customer).
func (s *Server) ticketCustomer(c *call) (int, any, *apiError) {
	if failed := c.need("ticket.agent"); failed != nil {
		return 0, nil, failed
	}
	open, closed := []int{}, []int{}
	for _, t := range slices.Backward(s.tickets) {
		if t.CustomerID != number(c.parameters["customer_id"]) || !c.access(t.GroupID) {
			continue
		}
		switch t.StateID {
		case stateNew, stateOpen, statePendingReminder, statePendingClose:
			open = append(open, t.ID)
		case stateClosed:
			closed = append(closed, t.ID)
		}
	}
	const limit = 15
	return http.StatusOK, map[string]any{
		"ticket_ids_open": open[:min(len(open), limit)], "ticket_ids_closed": closed[:min(len(closed), limit)], "assets": map[string]any{},
	}, nil
}

// addTag is POST /api/v1/tags/add; getTags is GET /api/v1/tags.
func (s *Server) addTag(c *call) (int, any, *apiError) {
	t, failed := s.writable(c, number(c.parameters["o_id"]))
	if failed != nil {
		return 0, nil, failed
	}
	t.tag(text(c.parameters["item"]))
	return http.StatusCreated, true, nil
}

func (s *Server) getTags(c *call) (int, any, *apiError) {
	t, failed := s.readable(c, number(c.parameters["o_id"]))
	if failed != nil {
		return 0, nil, failed
	}
	return http.StatusOK, map[string]any{"tags": append([]string{}, t.Tags...)}, nil
}

// ticketBody is a ticket as attributes_with_association_ids gives it.
func (s *Server) ticketBody(t *ticket) map[string]any {
	ids := []int{}
	for _, a := range s.articlesOf(t.ID) {
		ids = append(ids, a.ID)
	}
	body := map[string]any{
		"id": t.ID, "number": t.Number, "title": t.Title, "group_id": t.GroupID, "priority_id": 2, "state_id": t.StateID,
		"owner_id": t.OwnerID, "customer_id": t.CustomerID, "preferences": t.Preferences, "article_count": len(ids), "article_ids": ids,
		"created_by_id": t.CreatedByID, "updated_by_id": t.UpdatedByID, "created_at": t.CreatedAt, "updated_at": t.UpdatedAt,
		"create_article_type_id": t.CreateTypeID, "create_article_sender_id": t.CreateSenderID, "ticket_time_accounting_ids": []int{},
		"pending_time": t.PendingTime, "close_at": t.CloseAt,
	}
	for _, name := range []string{
		"organization_id", "note", "first_response_at", "first_response_escalation_at", "first_response_in_min",
		"first_response_diff_in_min", "close_escalation_at", "close_in_min", "close_diff_in_min", "update_escalation_at",
		"update_in_min", "update_diff_in_min", "last_contact_at", "last_contact_agent_at", "last_contact_customer_at",
		"last_owner_update_at", "escalation_at", "type", "time_unit",
	} {
		body[name] = nil
	}
	return body
}
