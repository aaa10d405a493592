package cloudapitest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// Endpoint is one of the calls that the simulator answers.
type Endpoint string

// The calls that the simulator answers.
const (
	GetDebugToken        Endpoint = "GET /debug_token"
	GetAppSubscriptions  Endpoint = "GET /{app}/subscriptions"
	PostAppSubscriptions Endpoint = "POST /{app}/subscriptions"
	GetPhoneNumbers      Endpoint = "GET /{business-account}/phone_numbers"
	GetSubscribedApps    Endpoint = "GET /{business-account}/subscribed_apps"
	PostSubscribedApps   Endpoint = "POST /{business-account}/subscribed_apps"
	DeleteSubscribedApps Endpoint = "DELETE /{business-account}/subscribed_apps"
	GetPhoneNumber       Endpoint = "GET /{phone-number}"
	PostPhoneNumber      Endpoint = "POST /{phone-number}"
	PostMessages         Endpoint = "POST /{phone-number}/messages"
	PostMedia            Endpoint = "POST /{phone-number}/media"
	GetMedia             Endpoint = "GET /{media}"
	// DownloadMedia is the URL that GetMedia names, outside of the Graph API.
	DownloadMedia         Endpoint = "GET /files/{media}"
	unknownEndpoint       Endpoint = "unknown"
	maxBody                        = 1 << 20
	maxRequests                    = 100_000
	unknownPathComponents          = 2500
)

// Endpoints returns all calls that the simulator answers.
func Endpoints() []Endpoint {
	return []Endpoint{
		GetDebugToken, GetAppSubscriptions, PostAppSubscriptions, GetPhoneNumbers, GetSubscribedApps,
		PostSubscribedApps, DeleteSubscribedApps, GetPhoneNumber, PostPhoneNumber, PostMessages, PostMedia, GetMedia, DownloadMedia,
	}
}

// Request is a call that was made, without its secrets.
type Request struct {
	Time     time.Time `json:"time"`
	Endpoint Endpoint  `json:"endpoint"`
	// Object is the id of the app, account or phone number.
	Object    string `json:"object,omitempty"`
	Version   string `json:"version"`
	UserAgent string `json:"userAgent"`
	// Status is the HTTP status of the answer, 0 where there was none.
	Status int `json:"status"`
	// Code is the code of the error, 0 where there was none.
	Code int `json:"code,omitempty"`
	// TokenInURL tells that a call other than debug_token had its token in the
	// URL, where proxies and logs see it.
	TokenInURL bool `json:"tokenInURL,omitempty"`
}

// Requests returns the calls made so far, the latest 100,000 of them.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count returns how many calls were made to an endpoint, or to all of the given.
func (s *Server) Count(endpoints ...Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := 0
	for _, r := range s.requests {
		if len(endpoints) == 0 || slices.Contains(endpoints, r.Endpoint) {
			count++
		}
	}
	return count
}

// graphCall is a call to the Graph API with what was found out about it.
type graphCall struct {
	r *http.Request
	// object is the id in the path.
	object string
	// token is nil for calls with an app's own token, app for all others.
	token *tokenState
	app   *app
	// parameters come from the query and from the body, a form or JSON.
	parameters map[string]any
}

type graphHandler func(*graphCall) (any, *graphError)

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range []struct {
		endpoint Endpoint
		handle   graphHandler
	}{
		{GetDebugToken, s.debugToken},
		{GetAppSubscriptions, s.appSubscriptions},
		{PostAppSubscriptions, s.createAppSubscription},
		{GetPhoneNumbers, s.phoneNumbers},
		{GetSubscribedApps, s.subscribedApps},
		{PostSubscribedApps, s.subscribeApp},
		{DeleteSubscribedApps, s.unsubscribeApp},
		{PostPhoneNumber, s.updatePhoneNumber},
		{PostMessages, s.sendMessage},
		{PostMedia, s.uploadMedia},
	} {
		mux.Handle(pattern(route.endpoint), s.serve(route.endpoint, route.handle))
	}
	mux.Handle(pattern(GetPhoneNumber), s.eitherNode(s.serve(GetPhoneNumber, s.phoneNumber), s.serve(GetMedia, s.mediaNode)))
	mux.HandleFunc("GET "+filesPath+"{object}", s.downloadMedia)
	mux.Handle("/", s.serve(unknownEndpoint, func(*graphCall) (any, *graphError) {
		return nil, &graphError{status: http.StatusBadRequest, code: unknownPathComponents, kind: oauthException,
			message: "Unknown path components"}
	}))
	return mux
}

var pathVariable = regexp.MustCompile(`\{[a-z-]+\}`)

// pattern turns "GET /{app}/subscriptions" into a pattern of http.ServeMux.
func pattern(endpoint Endpoint) string {
	method, path, _ := strings.Cut(string(endpoint), " ")
	return method + " /{version}" + pathVariable.ReplaceAllString(path, "{object}")
}

var validVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+$`)

// serve wraps a handler with everything that all calls have in common.
func (s *Server) serve(endpoint Endpoint, handle graphHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := Request{
			Time: s.clock.Now(), Endpoint: endpoint, Object: r.PathValue("object"),
			Version: r.PathValue("version"), UserAgent: r.UserAgent(),
			TokenInURL: r.URL.Query().Has("access_token"),
		}
		injected := s.failureFor(endpoint, entry.Object)
		var answer any
		var failed *graphError
		// Parameters are read before a failure too: a connection whose request
		// was not read breaks in another way than one whose request was.
		parameters, err := readParameters(r)
		if injected == nil || injected.AfterEffect {
			answer, failed = s.answer(r, parameters, err, handle)
		}
		if injected != nil {
			s.failWith(w, r, injected, entry)
			return
		}
		entry.Status = http.StatusOK
		if failed != nil {
			entry.Status, entry.Code = failed.status, failed.code
			answer = failed.body()
			setWait(w, failed.wait)
		}
		// The call is on record before the caller can look for it.
		s.record(entry)
		writeJSON(w, entry.Status, answer)
	})
}

func (s *Server) answer(r *http.Request, parameters map[string]any, malformed *graphError, handle graphHandler) (any, *graphError) {
	if version := r.PathValue("version"); version != "" && !validVersion.MatchString(version) {
		return nil, badParameter("Invalid version; it must look like 'v25.0'")
	}
	if malformed != nil {
		return nil, malformed
	}
	c := &graphCall{r: r, object: r.PathValue("object"), parameters: parameters}
	if failed := s.authenticate(c); failed != nil {
		return nil, failed
	}
	return handle(c)
}

func (s *Server) record(entry Request) {
	s.mu.Lock()
	if len(s.requests) >= maxRequests {
		s.requests = slices.Delete(s.requests, 0, maxRequests/10)
	}
	s.requests = append(s.requests, entry)
	s.mu.Unlock()
	s.log.Info("Answered a call.", "endpoint", entry.Endpoint, "status", entry.Status, "code", entry.Code)
}

// authenticate finds the token's owner: a system user or an app itself.
func (s *Server) authenticate(c *graphCall) *graphError {
	value, found := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !found {
		value, _ = c.parameters["access_token"].(string)
	}
	if value == "" {
		return missingToken()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if appID, secret, isApp := strings.Cut(value, "|"); isApp {
		a := s.apps[appID]
		if a == nil || a.Secret != secret {
			return invalidToken("Invalid OAuth access token signature.", 0)
		}
		c.app = a
		return nil
	}
	t := s.tokens[value]
	if failed := s.problem(t); failed != nil {
		return failed
	}
	c.token, c.app = t, s.apps[t.AppID]
	return c.proven()
}

// proven checks the proof of the app secret that a call may or must have.
func (c *graphCall) proven() *graphError {
	given := c.text("appsecret_proof")
	if given == "" {
		if c.app.RequireProof {
			return &graphError{status: http.StatusBadRequest, code: 100, kind: graphMethodException,
				message: "API calls from the server require an appsecret_proof argument"}
		}
		return nil
	}
	mac := hmac.New(sha256.New, []byte(c.app.Secret))
	mac.Write([]byte(c.token.Value))
	if given != hex.EncodeToString(mac.Sum(nil)) {
		return &graphError{status: http.StatusBadRequest, code: 100, kind: graphMethodException,
			message: "Invalid appsecret_proof provided in the API argument"}
	}
	return nil
}

// problem says why a token is not valid, nil if it is; s.mu is held.
func (s *Server) problem(t *tokenState) *graphError {
	const layout = "Monday, 02-Jan-06 15:04:05 MST"
	now := s.clock.Now()
	switch {
	case t == nil:
		return invalidToken("Invalid OAuth access token - Cannot parse access token", 0)
	case t.revoked:
		return invalidToken("Error validating access token: The session has been invalidated.", 460)
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return invalidToken(fmt.Sprintf("Error validating access token: Session has expired on %s. The current time is %s.",
			t.ExpiresAt.Format(layout), now.Format(layout)), 463)
	}
	return nil
}

// account finds the business account that a call is about; s.mu is held.
func (s *Server) account(c *graphCall, id, scope string) (*account, *graphError) {
	b := s.accounts[id]
	switch {
	case !isNumeric(id):
		return nil, badParameter("Invalid parameter: the id must be numeric")
	case b == nil:
		return nil, notFound("WhatsApp Business Account")
	case c.token == nil || !slices.Contains(c.token.Scopes, scope):
		return nil, permissionMissing(scope)
	case c.token.BusinessAccountIDs != nil && !slices.Contains(c.token.BusinessAccountIDs, id):
		return nil, assetForbidden("WhatsApp Business Account")
	}
	return b, nil
}

// number finds the phone number that a call is about; s.mu is held.
func (s *Server) number(c *graphCall, scope string) (*number, *graphError) {
	n := s.numbers[c.object]
	if !isNumeric(c.object) {
		return nil, badParameter("Invalid phone number ID format; it must be numeric")
	}
	if n == nil {
		return nil, notFound("Phone number")
	}
	if _, failed := s.account(c, n.BusinessAccountID, scope); failed != nil {
		if failed.subcode == 1349174 {
			failed = assetForbidden("phone number")
			failed.userTitle, failed.userText = "", ""
		}
		return nil, failed
	}
	return n, nil
}

func isNumeric(id string) bool { return id != "" && cloudapi.Digits(id) == id }

// readParameters reads the query and the body, a form or JSON.
func readParameters(r *http.Request) (map[string]any, *graphError) {
	parameters := map[string]any{}
	addValues := func(values url.Values) {
		for name := range values {
			parameters[name] = values.Get(name)
		}
	}
	addValues(r.URL.Query())
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, badParameter("The request body cannot be read or is too large")
	}
	if len(body) == 0 {
		return parameters, nil
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType == "multipart/form-data" {
		return parameters, readMultipart(r, body, parameters)
	}
	if mediaType == "application/x-www-form-urlencoded" {
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, badParameter("Invalid form in request body")
		}
		addValues(values)
		return parameters, nil
	}
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, badParameter("Invalid JSON in request body")
	}
	maps.Copy(parameters, object)
	return parameters, nil
}

func (c *graphCall) text(name string) string {
	text, _ := c.parameters[name].(string)
	return text
}

func setWait(w http.ResponseWriter, wait time.Duration) {
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
