package cloudapitest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// webhookVersion is the version of the payloads that apps are subscribed to.
const webhookVersion = cloudapi.DefaultVersion

var success = map[string]any{"success": true}

func (c *graphCall) requireAppToken() *graphError {
	if c.token != nil {
		return &graphError{status: http.StatusBadRequest, code: 15, kind: oauthException,
			message: "(#15) This method must be called with an app access_token."}
	}
	if c.app.ID != c.object {
		return assetForbidden("app")
	}
	return nil
}

func (s *Server) appSubscriptions(c *graphCall) (any, *graphError) {
	if failed := c.requireAppToken(); failed != nil {
		return nil, failed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data := []map[string]any{}
	if c.app.fields != nil {
		fields := []map[string]any{}
		for _, name := range c.app.fields {
			fields = append(fields, map[string]any{"name": name, "version": webhookVersion})
		}
		data = append(data, map[string]any{
			"object": cloudapi.SubscriptionObject, "callback_url": c.app.callbackURL, "active": true, "fields": fields,
		})
	}
	return map[string]any{"data": data}, nil
}

func (s *Server) createAppSubscription(c *graphCall) (any, *graphError) {
	if failed := c.requireAppToken(); failed != nil {
		return nil, failed
	}
	if c.text("object") != cloudapi.SubscriptionObject {
		return nil, badParameter("Param object must be one of {%s}", cloudapi.SubscriptionObject)
	}
	var fields []string
	for name := range strings.SplitSeq(c.text("fields"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			fields = append(fields, name)
		}
	}
	if len(fields) == 0 {
		return nil, badParameter("The parameter fields is required")
	}
	callbackURL := c.text("callback_url")
	if failed := s.checkCallbackURL("callback_url", callbackURL); failed != nil {
		return nil, failed
	}
	if failed := s.handshake(c.r.Context(), callbackURL, c.text("verify_token")); failed != nil {
		return nil, failed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.app.callbackURL, c.app.fields = callbackURL, fields
	return success, nil
}

func (s *Server) subscribedApps(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, failed := s.account(c, c.object, cloudapi.ScopeManagement)
	if failed != nil {
		return nil, failed
	}
	data := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(b.subscribed)) {
		data = append(data, s.subscribedApp(b, id))
	}
	return map[string]any{"data": data}, nil
}

// subscribedApp describes one app subscribed to an account; s.mu is held.
func (s *Server) subscribedApp(b *account, appID string) map[string]any {
	entry := map[string]any{"whatsapp_business_api_data": map[string]any{
		"id": appID, "name": s.apps[appID].Name, "link": "https://www.facebook.com/games/?app_id=" + appID,
	}}
	if override := b.subscribed[appID]; override != "" {
		entry["override_callback_uri"] = override
	}
	return entry
}

// subscribeApp subscribes the token's app to a business account. Without a
// callback URL it takes the account's override back.
func (s *Server) subscribeApp(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	b, failed := s.account(c, c.object, cloudapi.ScopeManagement)
	if failed != nil {
		s.mu.Unlock()
		return nil, failed
	}
	_, subscribed := b.subscribed[c.app.ID]
	s.mu.Unlock()
	override := c.text("override_callback_uri")
	if override != "" {
		if !subscribed {
			return nil, notSubscribed()
		}
		if failed := s.checkOverride(c, override, c.text("verify_token")); failed != nil {
			return nil, failed
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.subscribed[c.app.ID] = override
	if override == "" {
		return success, nil
	}
	return map[string]any{"success": true, "data": []any{s.subscribedApp(b, c.app.ID)}}, nil
}

func (s *Server) unsubscribeApp(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, failed := s.account(c, c.object, cloudapi.ScopeManagement)
	if failed != nil {
		return nil, failed
	}
	if _, subscribed := b.subscribed[c.app.ID]; !subscribed {
		return nil, notFound("The app's subscription to this WhatsApp Business Account was")
	}
	delete(b.subscribed, c.app.ID)
	return success, nil
}

// updatePhoneNumber sets or clears the callback URL of one number.
func (s *Server) updatePhoneNumber(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	n, failed := s.number(c, cloudapi.ScopeManagement)
	ready := false
	if failed == nil {
		_, subscribed := s.accounts[n.BusinessAccountID].subscribed[c.app.ID]
		ready = subscribed && c.app.fields != nil
	}
	s.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	configuration, ok := c.parameters["webhook_configuration"].(map[string]any)
	if !ok {
		return nil, badParameter("The parameter webhook_configuration is required")
	}
	override, ok := configuration["override_callback_uri"].(string)
	if !ok {
		return nil, badParameter("The parameter override_callback_uri is required")
	}
	if override != "" {
		if !ready {
			return nil, notSubscribed()
		}
		verifyToken, _ := configuration["verify_token"].(string)
		if failed := s.checkOverride(c, override, verifyToken); failed != nil {
			return nil, failed
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	setOverride(n, c.app.ID, override)
	return success, nil
}

func notSubscribed() *graphError {
	return badParameter("Before override the current callback uri, your app must be subscribed to receive messages for WhatsApp Business Account")
}

func (s *Server) checkOverride(c *graphCall, callbackURL, verifyToken string) *graphError {
	if utf8.RuneCountInString(callbackURL) > cloudapi.MaxCallbackURL {
		return badParameter("Param override_callback_uri must be at most %d characters long", cloudapi.MaxCallbackURL)
	}
	if failed := s.checkCallbackURL("override_callback_uri", callbackURL); failed != nil {
		return failed
	}
	return s.handshake(c.r.Context(), callbackURL, verifyToken)
}

func (s *Server) checkCallbackURL(parameter, callbackURL string) *graphError {
	parsed, err := url.Parse(callbackURL)
	secure := err == nil && (parsed.Scheme == "https" || (s.httpCallbacks && parsed.Scheme == "http"))
	if !secure || parsed.Host == "" {
		return badParameter("Param %s must be a valid https URL", parameter)
	}
	return nil
}
