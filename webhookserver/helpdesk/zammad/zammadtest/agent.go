package zammadtest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// AddGroup adds a group and returns its ID.
func (s *Server) AddGroup(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &group{ID: len(s.groups) + 1, Name: name, Active: true, CreatedAt: s.clock.Now()}
	s.groups = append(s.groups, g)
	return g.ID
}

// RemoveGroup takes a group away, as a change of its name does: nobody finds it under the old one.
func (s *Server) RemoveGroup(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.group(id); g != nil {
		g.Name, g.Active = fmt.Sprintf("%s (removed)", g.Name), false
	}
}

// AddAgent adds an agent with full access to some groups, and returns the user's ID. Roles beyond Agent, such as Admin,
// are given with [Server.MakeAdmin].
func (s *Server) AddAgent(firstname, lastname string, groups ...int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	u := &user{
		ID: len(s.users) + 1, Firstname: firstname, Lastname: lastname, Roles: []int{roleAgent}, Groups: groups, CreatedAt: now, UpdatedAt: now,
		CreatedByID: systemUser, UpdatedByID: systemUser,
	}
	u.Login = fmt.Sprintf("agent-%d@example.com", u.ID)
	u.Email = u.Login
	s.users = append(s.users, u)
	return u.ID
}

// MakeAdmin gives a user the role Admin too.
func (s *Server) MakeAdmin(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user(id).Roles = append(s.user(id).Roles, roleAdmin)
}

// SetGroups changes which groups a user has access to.
func (s *Server) SetGroups(id int, groups ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user(id).Groups = groups
}

// Customer is a customer as [Server.AddCustomer] adds and [Server.Customers] lists them.
type Customer struct {
	ID        int    `json:"id"`
	Login     string `json:"login"`
	Firstname string `json:"firstname"`
	Lastname  string `json:"lastname"`
	Mobile    string `json:"mobile"`
	Phone     string `json:"phone"`
}

// AddCustomer adds a customer and returns the user's ID.
func (s *Server) AddCustomer(c Customer) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	u := &user{
		ID: len(s.users) + 1, Login: c.Login, Firstname: c.Firstname, Lastname: c.Lastname, Mobile: c.Mobile, Phone: c.Phone,
		Roles: []int{roleCustomer}, CreatedAt: now, UpdatedAt: now, CreatedByID: systemUser, UpdatedByID: systemUser,
	}
	if u.Login == "" {
		u.Login = fmt.Sprintf("auto-%d-%d", now.Unix(), u.ID)
	}
	s.users = append(s.users, u)
	s.index(func() { s.indexedUsers[u.ID] = *u })
	return u.ID
}

// Customers lists the users that are customers.
func (s *Server) Customers() (list []Customer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if slices.Equal(u.Roles, []int{roleCustomer}) {
			list = append(list, Customer{u.ID, u.Login, u.Firstname, u.Lastname, u.Mobile, u.Phone})
		}
	}
	return list
}

// IssueToken makes an access token of a user with some permissions.
func (s *Server) IssueToken(userID int, permissions ...string) string {
	random := make([]byte, 24)
	_, _ = rand.Read(random)
	value := hex.EncodeToString(random)
	s.SetToken(value, userID, permissions...)
	return value
}

// SetToken makes a given access token valid.
func (s *Server) SetToken(value string, userID int, permissions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[value] = &token{user: userID, permissions: permissions}
}

// RevokeToken makes a token invalid.
func (s *Server) RevokeToken(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, value)
}

// ExpireToken sets from when on a token is not valid any more.
func (s *Server) ExpireToken(value string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[value]; t != nil {
		t.expires = at
	}
}

// Agent is an agent at work, in Zammad's own user interface.
type Agent struct {
	server *Server
	id     int
}

// Agent returns the agent with a user's ID.
func (s *Server) Agent(id int) Agent { return Agent{s, id} }

// File is a file that an agent attaches.
type File struct {
	Name     string `json:"name"`
	MIMEType string `json:"mimeType"`
	Content  []byte `json:"content"`
}

// Note is an article that an agent writes.
type Note struct {
	// Body is HTML unless Plain says otherwise.
	Body  string `json:"body"`
	Plain bool   `json:"plain,omitempty"`
	// Internal hides it from customers.
	Internal bool `json:"internal,omitempty"`
	// Type is note unless told otherwise.
	Type  string `json:"type,omitempty"`
	Files []File `json:"files,omitempty"`
	// State, if not empty, is set along with it.
	State string `json:"state,omitempty"`
}

// Replies writes a public note in plain text and returns the article's ID.
func (a Agent) Replies(ticketID int, body string) int {
	return a.Writes(ticketID, Note{Body: body, Plain: true})
}

// Notes writes an internal note and returns the article's ID.
func (a Agent) Notes(ticketID int, body string) int {
	return a.Writes(ticketID, Note{Body: body, Plain: true, Internal: true})
}

// Writes writes an article and returns its ID; 0 where there is no such ticket.
func (a Agent) Writes(ticketID int, n Note) int {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.ticket(ticketID)
	if t == nil {
		return 0
	}
	now := s.clock.Now()
	kind := n.Type
	if kind == "" {
		kind = "note"
	}
	added := &article{
		TicketID: t.ID, TypeID: indexOf(articleTypes, kind), SenderID: indexOf(senders, "Agent"), From: s.user(a.id).name(), Body: n.Body,
		ContentType: "text/html", Internal: n.Internal, Preferences: map[string]any{}, CreatedAt: now, UpdatedAt: now,
		CreatedByID: a.id, UpdatedByID: a.id,
	}
	if n.Plain {
		added.ContentType = "text/plain"
	}
	for _, f := range n.Files {
		added.Attachments = append(added.Attachments, attachment{
			Filename: f.Name, Data: f.Content, Preferences: map[string]any{"Mime-Type": f.MIMEType, "Content-Type": f.MIMEType},
		})
	}
	changed := t.clone()
	if n.State != "" {
		changed.StateID = indexOf(stateNames, n.State)
	}
	s.apply(t, changed, added, a.id)
	return added.ID
}

// Sets brings a ticket into a state by its name, and reports whether there are both. A pending one ends in a day.
func (a Agent) Sets(ticketID int, state string) bool {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.ticket(ticketID)
	if t == nil || indexOf(stateNames, state) == 0 {
		return false
	}
	changed := t.clone()
	changed.StateID, changed.PendingTime = indexOf(stateNames, state), nil
	if changed.StateID == statePendingReminder || changed.StateID == statePendingClose {
		until := s.clock.Now().Add(24 * time.Hour)
		changed.PendingTime = &until
	}
	s.apply(t, changed, nil, a.id)
	return true
}

// Closes closes a ticket.
func (a Agent) Closes(ticketID int) { a.Sets(ticketID, "closed") }

// Reopens opens a ticket.
func (a Agent) Reopens(ticketID int) { a.Sets(ticketID, "open") }

// SetsPending puts a ticket aside.
func (a Agent) SetsPending(ticketID int) { a.Sets(ticketID, "pending reminder") }

// MovesTo files a ticket in another group.
func (a Agent) MovesTo(ticketID, group int) {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.ticket(ticketID); t != nil {
		changed := t.clone()
		changed.GroupID = group
		s.apply(t, changed, nil, a.id)
	}
}

// Merges merges a ticket into another.
func (a Agent) Merges(source, target int) {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if from, into := s.ticket(source), s.ticket(target); from != nil && into != nil {
		_ = s.merge(from, into, a.id)
	}
}

// Deletes removes a ticket for good, as an admin may.
func (a Agent) Deletes(ticketID int) {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.ticket(ticketID); t != nil {
		s.remove(t)
	}
}

// Opens opens a ticket that has nothing to do with any bridge, and returns its ID.
func (a Agent) Opens(group, customer int, title string) int {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.ticketID++
	t := &ticket{
		ID: s.ticketID, Number: s.nextNumber(), Title: title, GroupID: group, StateID: stateNew, CustomerID: customer, OwnerID: systemUser,
		Preferences: map[string]any{}, CreatedAt: now, UpdatedAt: now, CreatedByID: a.id, UpdatedByID: a.id,
	}
	s.tickets = append(s.tickets, t)
	s.note(historyEntry{Type: "created", Object: "Ticket", OID: t.ID, CreatedByID: a.id})
	s.index(func() { s.indexedTickets[t.ID] = true })
	return t.ID
}
