package zammadtest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Endpoint is one of the calls that the simulator answers.
type Endpoint string

// The calls that the simulator answers.
const (
	GetVersion         Endpoint = "GET /api/v1/version"
	GetMe              Endpoint = "GET /api/v1/users/me"
	GetGroups          Endpoint = "GET /api/v1/groups"
	GetTicketStates    Endpoint = "GET /api/v1/ticket_states"
	GetUsersSearch     Endpoint = "GET /api/v1/users/search"
	GetUser            Endpoint = "GET /api/v1/users/{id}"
	PostUsers          Endpoint = "POST /api/v1/users"
	PutUser            Endpoint = "PUT /api/v1/users/{id}"
	PostTickets        Endpoint = "POST /api/v1/tickets"
	GetTicketsSearch   Endpoint = "GET /api/v1/tickets/search"
	PostTicketsSearch  Endpoint = "POST /api/v1/tickets/search"
	GetTicket          Endpoint = "GET /api/v1/tickets/{id}"
	PutTicket          Endpoint = "PUT /api/v1/tickets/{id}"
	DeleteTicket       Endpoint = "DELETE /api/v1/tickets/{id}"
	GetTicketCustomer  Endpoint = "GET /api/v1/ticket_customer"
	GetTicketHistory   Endpoint = "GET /api/v1/ticket_history/{id}"
	PutTicketMerge     Endpoint = "PUT /api/v1/ticket_merge/{id}/{number}"
	PostTicketArticles Endpoint = "POST /api/v1/ticket_articles"
	GetArticlesOf      Endpoint = "GET /api/v1/ticket_articles/by_ticket/{id}"
	PutTicketArticle   Endpoint = "PUT /api/v1/ticket_articles/{id}"
	GetAttachment      Endpoint = "GET /api/v1/ticket_attachment/{id}/{article}/{attachment}"
	PostTagsAdd        Endpoint = "POST /api/v1/tags/add"
	GetTags            Endpoint = "GET /api/v1/tags"
	GetWebhooks        Endpoint = "GET /api/v1/webhooks"
	PostWebhooks       Endpoint = "POST /api/v1/webhooks"
	PutWebhook         Endpoint = "PUT /api/v1/webhooks/{id}"
	DeleteWebhook      Endpoint = "DELETE /api/v1/webhooks/{id}"
	GetTriggers        Endpoint = "GET /api/v1/triggers"
	PostTriggers       Endpoint = "POST /api/v1/triggers"
	PutTrigger         Endpoint = "PUT /api/v1/triggers/{id}"
	DeleteTrigger      Endpoint = "DELETE /api/v1/triggers/{id}"
)

const maxRequests = 100_000

// Request is a call that was made, without its contents.
type Request struct {
	Time     time.Time `json:"time"`
	Endpoint Endpoint  `json:"endpoint"`
	// Status is the HTTP status of the answer, 0 where there was none.
	Status int `json:"status"`
}

// Requests returns the calls made so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count returns how many calls were made to the given endpoints, or to all.
func (s *Server) Count(endpoints ...Endpoint) int {
	count := 0
	for _, r := range s.Requests() {
		if len(endpoints) == 0 || slices.Contains(endpoints, r.Endpoint) {
			count++
		}
	}
	return count
}

// call is a call to the REST API with what was found out about it.
type call struct {
	r     *http.Request
	user  *user
	token *token
	// parameters come from the query and from a JSON body.
	parameters map[string]any
}

// file is an answer that is not JSON.
type file struct {
	name, mimeType string
	data           []byte
}

// handler answers a call; the server's lock is held.
type handler func(*call) (status int, answer any, failed *apiError)

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range []struct {
		endpoint Endpoint
		handle   handler
	}{
		{GetVersion, s.getVersion}, {GetMe, s.getMe}, {GetGroups, s.getGroups}, {GetTicketStates, s.getTicketStates},
		{GetUsersSearch, s.searchUsers}, {GetUser, s.getUser}, {PostUsers, s.createUser}, {PutUser, s.updateUser},
		{PostTickets, s.createTicket}, {GetTicketsSearch, s.searchTickets}, {PostTicketsSearch, s.searchTickets},
		{GetTicket, s.getTicket}, {PutTicket, s.updateTicket}, {DeleteTicket, s.deleteTicket},
		{GetTicketCustomer, s.ticketCustomer}, {GetTicketHistory, s.ticketHistory}, {PutTicketMerge, s.mergeTicket},
		{PostTicketArticles, s.createArticle}, {GetArticlesOf, s.articlesByTicket}, {PutTicketArticle, s.updateArticle},
		{GetAttachment, s.getAttachment}, {PostTagsAdd, s.addTag}, {GetTags, s.getTags},
		{GetWebhooks, s.getWebhooks}, {PostWebhooks, s.createWebhook}, {PutWebhook, s.updateWebhook}, {DeleteWebhook, s.deleteWebhook},
		{GetTriggers, s.getTriggers}, {PostTriggers, s.createTrigger}, {PutTrigger, s.updateTrigger}, {DeleteTrigger, s.deleteTrigger},
	} {
		mux.Handle(string(route.endpoint), s.serve(route.endpoint, route.handle))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		// config/routes.rb's catch-all: ActionController::RoutingError.
		writeJSON(w, http.StatusNotFound, (&apiError{404, "No route matches [" + r.Method + "] " + r.URL.Path, true}).body())
	})
	return mux
}

// serve wraps a handler with everything that all calls have in common.
func (s *Server) serve(endpoint Endpoint, handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		injected := s.failureFor(endpoint)
		var (
			status int
			answer any
		)
		// The request is read before a failure too: a connection whose request was not read breaks in another way.
		parameters, failed := s.readParameters(w, r)
		if injected == nil || injected.AfterEffect || injected.Delay > 0 {
			status, answer = s.answer(r, parameters, failed, handle)
		}
		if injected != nil {
			if injected.Then != nil {
				injected.Then()
			}
			if s.failWith(w, r, injected, endpoint) {
				return
			}
		}
		// The call is on record before the caller can look for it.
		s.record(endpoint, status)
		switch f := answer.(type) {
		case file:
			w.Header().Set("Content-Type", f.mimeType)
			w.Header().Set("Content-Disposition", `attachment; filename="`+strings.ReplaceAll(f.name, `"`, "")+`"`)
			_, _ = w.Write(f.data)
		case nil:
			w.WriteHeader(status)
		default:
			if status == http.StatusRequestEntityTooLarge {
				writePage(w, status)
				return
			}
			writeJSON(w, status, answer)
		}
	})
}

func (s *Server) answer(r *http.Request, parameters map[string]any, failed *apiError, handle handler) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{r: r, parameters: parameters}
	if failed == nil {
		failed = s.authenticate(c)
	}
	var (
		status int
		answer any
	)
	if failed == nil {
		status, answer, failed = handle(c)
	}
	if failed != nil {
		return failed.status, failed.body()
	}
	return status, answer
}

func (s *Server) record(endpoint Endpoint, status int) {
	s.mu.Lock()
	if len(s.requests) >= maxRequests {
		s.requests = slices.Delete(s.requests, 0, maxRequests/10)
	}
	s.requests = append(s.requests, Request{Time: s.clock.Now(), Endpoint: endpoint, Status: status})
	s.mu.Unlock()
	s.log.Info("answered a call", "endpoint", endpoint, "status", status)
}

// authenticate finds the token's owner, as app/controllers/application_controller/authenticates.rb does.
func (s *Server) authenticate(c *call) *apiError {
	value, found := strings.CutPrefix(c.r.Header.Get("Authorization"), "Token token=")
	if !found {
		if _, bearer := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer "); bearer {
			return unauthorized("The provided token is invalid.")
		}
		return forbidden("Authentication required")
	}
	t := s.tokens[strings.Trim(value, `"`)]
	if t == nil {
		return unauthorized("Can't find User for Token")
	}
	if !t.expires.IsZero() && !s.clock.Now().Before(t.expires) {
		return unauthorized("Not authorized (token expired)!")
	}
	c.token, c.user = t, s.user(t.user)
	if c.user.Inactive {
		return unauthorized("Login failed. Have you double-checked your credentials and completed the email verification step?")
	}
	return nil
}

// may tells whether the call has a permission: the token must have it, and so must its user
// (app/models/token/permissions.rb). admin includes admin.*, and so on.
func (c *call) may(permission string) bool {
	has := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool {
			return p == permission || strings.HasPrefix(permission, p+".")
		})
	}
	var ofUser []string
	if c.user.isAgent() {
		ofUser = append(ofUser, "ticket.agent", "user_preferences")
	}
	if slices.Contains(c.user.Roles, roleAdmin) {
		ofUser = append(ofUser, "admin", "user_preferences")
	}
	return has(c.token.permissions) && has(ofUser)
}

// need is the error of a missing permission, and nil where one of them is there.
func (c *call) need(permissions ...string) *apiError {
	if slices.ContainsFunc(permissions, c.may) {
		return nil
	}
	return notAuthorized()
}

// access tells whether the call may work on tickets of a group (app/policies/ticket_policy.rb).
func (c *call) access(groupID int) bool {
	return c.may("ticket.agent") && slices.Contains(c.user.Groups, groupID)
}

func (c *call) id(name string) int {
	id, _ := strconv.Atoi(c.r.PathValue(name))
	return id
}

// readParameters reads the query, with its nested names, and a JSON body.
func (s *Server) readParameters(w http.ResponseWriter, r *http.Request) (map[string]any, *apiError) {
	parameters := map[string]any{}
	for name, values := range r.URL.Query() {
		nest(parameters, name, values)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		// The proxy in front of Zammad says so, with a page of its own.
		return nil, &apiError{status: http.StatusRequestEntityTooLarge}
	}
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, text: "unreadable"}
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &parameters); err != nil {
			return nil, &apiError{status: http.StatusBadRequest, text: "Error occurred while parsing request parameters"}
		}
	}
	return parameters, nil
}

// nest sets a parameter as Rack does: "a[b][c]" is a member of a member, "a[]" a list.
func nest(into map[string]any, name string, values []string) {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '[' || r == ']' })
	list := strings.HasSuffix(name, "[]")
	for _, part := range parts[:max(len(parts)-1, 0)] {
		inner, ok := into[part].(map[string]any)
		if !ok {
			inner = map[string]any{}
			into[part] = inner
		}
		into = inner
	}
	if len(parts) == 0 {
		return
	}
	if last := parts[len(parts)-1]; list {
		items := make([]any, len(values))
		for i, v := range values {
			items[i] = v
		}
		into[last] = items
	} else {
		into[last] = values[len(values)-1]
	}
}
