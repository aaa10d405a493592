package zammadtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// getVersion needs admin, which an agent's token lacks (app/policies/controllers/version_controller_policy.rb).
func (s *Server) getVersion(c *call) (int, any, *apiError) {
	if failed := c.need("admin"); failed != nil {
		return 0, nil, failed
	}
	return http.StatusOK, map[string]any{"version": s.version}, nil
}

// getMe answers who the token belongs to; with expand, the groups by name and access (users_controller.rb#me).
func (s *Server) getMe(c *call) (int, any, *apiError) {
	answer := s.userBody(c.user)
	groups, ids := map[string][]string{}, map[string][]string{}
	for _, id := range c.user.Groups {
		if g := s.group(id); g != nil && g.Active {
			groups[g.Name] = []string{"full"}
			ids[strconv.Itoa(id)] = []string{"full"}
		}
	}
	answer["group_ids"] = ids
	if c.flag("expand") {
		answer["groups"] = groups
	}
	return http.StatusOK, answer, nil
}

// getGroups needs admin.group (app/policies/controllers/groups_controller_policy.rb).
func (s *Server) getGroups(c *call) (int, any, *apiError) {
	if failed := c.need("admin.group"); failed != nil {
		return 0, nil, failed
	}
	list := []any{}
	for _, g := range s.groups {
		var members []int
		for _, u := range s.users {
			if slices.Contains(u.Groups, g.ID) {
				members = append(members, u.ID)
			}
		}
		list = append(list, map[string]any{
			"id": g.ID, "name": g.Name, "active": g.Active, "note": nil, "signature_id": nil, "email_address_id": nil,
			"assignment_timeout": nil, "follow_up_possible": "yes", "follow_up_assignment": true, "user_ids": members,
			"created_by_id": systemUser, "updated_by_id": systemUser, "created_at": g.CreatedAt, "updated_at": g.CreatedAt,
		})
	}
	return http.StatusOK, list, nil
}

// searchUsers asks the search index, which follows the database with a delay (app/models/concerns/can_search.rb: a
// query goes to Elasticsearch where that is enabled).
func (s *Server) searchUsers(c *call) (int, any, *apiError) {
	if failed := c.need("ticket.agent", "admin.user"); failed != nil {
		return 0, nil, failed
	}
	query := strings.ToLower(strings.Trim(text(c.parameters["query"]), `"*`))
	list := []any{}
	for _, u := range s.users {
		known, indexed := s.indexedUsers[u.ID]
		if indexed && query != "" && slices.ContainsFunc(known.tokens(), func(t string) bool { return t == query }) {
			list = append(list, s.userBody(u))
		}
	}
	return http.StatusOK, list, nil
}

// tokens are what the index finds a user by: its standard analyzer drops signs at the ends of words.
func (u user) tokens() []string {
	all := []string{strings.ToLower(u.Login), strings.ToLower(u.Email)}
	for _, value := range []string{u.Login, u.Firstname, u.Lastname, u.Mobile, u.Phone, u.Note} {
		for word := range strings.FieldsSeq(strings.ToLower(value)) {
			all = append(all, strings.Trim(word, "+().,;:"))
		}
	}
	return all
}

func (s *Server) getUser(c *call) (int, any, *apiError) {
	u := s.user(c.id("id"))
	if u == nil {
		return 0, nil, notFound("User", c.id("id"))
	}
	if failed := c.need("ticket.agent", "admin.user"); failed != nil {
		return 0, nil, failed
	}
	return http.StatusOK, s.userBody(u), nil
}

// createUser lets agents create customers; whatever roles they ask for, those of a sign-up are given (users_controller.rb
// #create_internal).
func (s *Server) createUser(c *call) (int, any, *apiError) {
	if failed := c.need("ticket.agent", "admin.user"); failed != nil {
		return 0, nil, failed
	}
	u, failed := s.newUser(c, c.parameters)
	if failed != nil {
		return 0, nil, failed
	}
	return http.StatusCreated, s.userBody(u), nil
}

// updateUser lets agents change customers, and no one else (app/policies/user_policy.rb#update?).
func (s *Server) updateUser(c *call) (int, any, *apiError) {
	u := s.user(c.id("id"))
	if u == nil {
		return 0, nil, notFound("User", c.id("id"))
	}
	if !c.may("admin.user") && (!c.may("ticket.agent") || !slices.Equal(u.Roles, []int{roleCustomer})) {
		return 0, nil, notAuthorized()
	}
	for name, field := range map[string]*string{
		"firstname": &u.Firstname, "lastname": &u.Lastname, "mobile": &u.Mobile, "phone": &u.Phone, "note": &u.Note,
	} {
		if value, given := c.parameters[name]; given {
			*field = text(value)
		}
	}
	u.UpdatedAt, u.UpdatedByID = s.clock.Now(), c.user.ID
	s.index(func() { s.indexedUsers[u.ID] = *u })
	return http.StatusOK, s.userBody(u), nil
}

// newUser creates a customer. A login is unique and lower-cased (app/models/user.rb#check_login); a user without any
// is given one of the time.
func (s *Server) newUser(c *call, p map[string]any) (*user, *apiError) {
	now := s.clock.Now()
	u := &user{
		ID: len(s.users) + 1, Login: strings.ToLower(strings.TrimSpace(text(p["login"]))), Email: strings.ToLower(text(p["email"])),
		Firstname: text(p["firstname"]), Lastname: text(p["lastname"]), Mobile: text(p["mobile"]), Phone: text(p["phone"]),
		Note: text(p["note"]), Roles: []int{roleCustomer}, CreatedAt: now, UpdatedAt: now, CreatedByID: c.user.ID, UpdatedByID: c.user.ID,
	}
	if u.Login == "" && u.Email == "" && u.Firstname == "" && u.Lastname == "" && u.Phone == "" && u.Mobile == "" {
		return nil, unprocessable("At least one identifier (firstname, lastname, phone, mobile or email) for user is required.")
	}
	if u.Login == "" {
		u.Login = u.Email
	}
	if u.Login == "" {
		u.Login = fmt.Sprintf("auto-%d-%d", now.Unix(), u.ID)
	}
	if s.findUser(func(other *user) bool { return other.Login == u.Login }) != nil {
		return nil, unprocessable("This object already exists.")
	}
	s.users = append(s.users, u)
	s.index(func() { s.indexedUsers[u.ID] = *u })
	return u, nil
}

// customerOf finds the customer of a new ticket: by id, then email, then login, and not by mobile; or else creates it
// (tickets_controller.rb#create).
func (s *Server) customerOf(c *call) (int, *apiError) {
	given, isObject := c.parameters["customer"].(map[string]any)
	switch {
	case !isObject && c.parameters["customer_id"] != nil:
		id := number(c.parameters["customer_id"])
		if s.user(id) == nil {
			return 0, unprocessable("Invalid value for param 'customer_id': %v", c.parameters["customer_id"])
		}
		return id, nil
	case !isObject:
		name := strings.ToLower(text(c.parameters["customer"]))
		u := s.findUser(func(u *user) bool { return name != "" && (u.Login == name || u.Email == name) })
		if u == nil {
			return 0, unprocessable("No lookup value found for 'customer': %q", name)
		}
		return u.ID, nil
	}
	for _, by := range []func(*user) bool{
		func(u *user) bool { return u.ID == number(given["id"]) },
		func(u *user) bool { return u.Email != "" && u.Email == strings.ToLower(text(given["email"])) },
		func(u *user) bool { return u.Login == strings.ToLower(text(given["login"])) },
	} {
		if u := s.findUser(by); u != nil {
			return u.ID, nil
		}
	}
	u, failed := s.newUser(c, given)
	if failed != nil {
		return 0, failed
	}
	return u.ID, nil
}

func (s *Server) userBody(u *user) map[string]any {
	return map[string]any{
		"id": u.ID, "login": u.Login, "email": u.Email, "firstname": u.Firstname, "lastname": u.Lastname, "mobile": u.Mobile,
		"phone": u.Phone, "note": u.Note, "active": !u.Inactive, "role_ids": u.Roles, "organization_id": nil, "preferences": map[string]any{},
		"created_at": u.CreatedAt, "updated_at": u.UpdatedAt, "created_by_id": u.CreatedByID, "updated_by_id": u.UpdatedByID,
	}
}

// index brings what changed into the search index, at once or when it is let go on.
func (s *Server) index(update func()) {
	if !s.indexHeld {
		update()
	}
}

// HoldIndex lets the search index stay as it is, whatever changes in the database.
func (s *Server) HoldIndex() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexHeld = true
}

// ReleaseIndex lets the search index catch up.
func (s *Server) ReleaseIndex() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexHeld = false
	for _, u := range s.users {
		s.indexedUsers[u.ID] = *u
	}
	for _, t := range s.tickets {
		s.indexedTickets[t.ID] = true
	}
}

func (c *call) flag(name string) bool {
	value := c.parameters[name]
	return isTrue(value) || value == "true" || value == "1"
}

func isTrue(value any) bool {
	b, is := value.(bool)
	return is && b
}

// text reads a parameter as Rails does a column of text.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// number reads a parameter as Rails does a column of numbers.
func number(value any) int {
	n, _ := strconv.Atoi(text(value))
	return n
}
