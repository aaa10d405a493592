package zammadtest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// webhook and trigger are rows of the tables of these names; their fields are what was posted.
type webhook struct {
	ID     int
	fields map[string]any
}

type trigger struct {
	ID     int
	fields map[string]any
}

// webhookFields and triggerFields are what may be set; what else is posted is dropped (param_cleanup).
var (
	webhookFields = []string{
		"name", "endpoint", "signature_token", "ssl_verify", "basic_auth_username", "basic_auth_password", "bearer_token",
		"http_method", "customized_payload", "custom_payload", "pre_defined_webhook_type", "note", "active", "preferences",
	}
	triggerFields = []string{
		"name", "condition", "perform", "activator", "execution_condition_mode", "disable_notification", "localization", "timezone",
		"note", "active",
	}
)

func (s *Server) getWebhooks(c *call) (int, any, *apiError) {
	if failed := c.need("admin.webhook"); failed != nil {
		return 0, nil, failed
	}
	list := []any{}
	for _, w := range s.webhooks {
		list = append(list, withID(w.ID, w.fields))
	}
	return http.StatusOK, list, nil
}

func (s *Server) createWebhook(c *call) (int, any, *apiError) {
	if failed := c.need("admin.webhook"); failed != nil {
		return 0, nil, failed
	}
	fields := s.row(nil, c.parameters, webhookFields, map[string]any{"ssl_verify": true, "active": true, "http_method": "post"})
	if failed := validWebhook(fields); failed != nil {
		return 0, nil, failed
	}
	s.webhookID++
	w := &webhook{s.webhookID, fields}
	s.webhooks = append(s.webhooks, w)
	return http.StatusCreated, withID(w.ID, w.fields), nil
}

// validWebhook is app/models/webhook.rb: a name, which need not be unique, and an endpoint with a scheme and a host.
func validWebhook(fields map[string]any) *apiError {
	if text(fields["name"]) == "" {
		return unprocessable("Name can't be blank")
	}
	endpoint, err := url.Parse(text(fields["endpoint"]))
	switch {
	case err != nil:
		return unprocessable("Endpoint The provided endpoint is invalid.")
	case endpoint.Scheme != "http" && endpoint.Scheme != "https":
		return unprocessable("Endpoint The provided endpoint is invalid, no http or https protocol was specified.")
	case endpoint.Hostname() == "":
		return unprocessable("Endpoint The provided endpoint is invalid, no hostname was specified.")
	}
	return nil
}

func (s *Server) updateWebhook(c *call) (int, any, *apiError) {
	if failed := c.need("admin.webhook"); failed != nil {
		return 0, nil, failed
	}
	for _, w := range s.webhooks {
		if w.ID != c.id("id") {
			continue
		}
		fields := s.row(w.fields, c.parameters, webhookFields, nil)
		if failed := validWebhook(fields); failed != nil {
			return 0, nil, failed
		}
		w.fields = fields
		return http.StatusOK, withID(w.ID, fields), nil
	}
	return 0, nil, notFound("Webhook", c.id("id"))
}

// deleteWebhook refuses as long as a trigger uses it (app/models/webhook/ensure_no_related_objects.rb).
func (s *Server) deleteWebhook(c *call) (int, any, *apiError) {
	if failed := c.need("admin.webhook"); failed != nil {
		return 0, nil, failed
	}
	for _, t := range s.triggers {
		if t.webhookID() == c.id("id") {
			return 0, nil, unprocessable("Cannot delete! This webhook is referenced by Trigger / %s (#%d)", t.name(), t.ID)
		}
	}
	known := len(s.webhooks)
	s.webhooks = slices.DeleteFunc(s.webhooks, func(w *webhook) bool { return w.ID == c.id("id") })
	if len(s.webhooks) == known {
		return 0, nil, notFound("Webhook", c.id("id"))
	}
	return http.StatusOK, map[string]any{}, nil
}

func (s *Server) getTriggers(c *call) (int, any, *apiError) {
	if failed := c.need("admin.trigger"); failed != nil {
		return 0, nil, failed
	}
	list := []any{}
	for _, t := range s.triggers {
		list = append(list, withID(t.ID, t.fields))
	}
	return http.StatusOK, list, nil
}

func (s *Server) createTrigger(c *call) (int, any, *apiError) {
	if failed := c.need("admin.trigger"); failed != nil {
		return 0, nil, failed
	}
	fields := s.row(nil, c.parameters, triggerFields, map[string]any{
		"active": true, "activator": "action", "execution_condition_mode": "selective",
	})
	t := &trigger{fields: fields}
	if failed := s.validTrigger(t); failed != nil {
		return 0, nil, failed
	}
	s.triggerID++
	t.ID = s.triggerID
	s.triggers = append(s.triggers, t)
	return http.StatusCreated, withID(t.ID, fields), nil
}

// validTrigger is app/models/trigger.rb: a name that is unique whatever its case, and something to perform.
func (s *Server) validTrigger(t *trigger) *apiError {
	switch {
	case t.name() == "":
		return unprocessable("Name can't be blank")
	case slices.ContainsFunc(s.triggers, func(other *trigger) bool { return other.ID != t.ID && strings.EqualFold(other.name(), t.name()) }):
		return unprocessable("Name has already been taken")
	case t.webhookID() == 0:
		return unprocessable("Perform The required value for perform notification.webhook.webhook_id is missing!")
	case !slices.Contains([]string{"action", "time"}, text(t.fields["activator"])):
		return unprocessable("Activator is not included in the list")
	}
	// app/models/concerns/checks_condition_validation.rb tries the condition on the database.
	if _, failed := s.fits(&ticket{CustomerID: systemUser}, t.condition(), change{kind: "update", article: &article{}}); failed != nil {
		return failed
	}
	return nil
}

func (s *Server) updateTrigger(c *call) (int, any, *apiError) {
	if failed := c.need("admin.trigger"); failed != nil {
		return 0, nil, failed
	}
	for _, t := range s.triggers {
		if t.ID != c.id("id") {
			continue
		}
		changed := &trigger{t.ID, s.row(t.fields, c.parameters, triggerFields, nil)}
		if failed := s.validTrigger(changed); failed != nil {
			return 0, nil, failed
		}
		t.fields = changed.fields
		return http.StatusOK, withID(t.ID, t.fields), nil
	}
	return 0, nil, notFound("Trigger", c.id("id"))
}

func (s *Server) deleteTrigger(c *call) (int, any, *apiError) {
	if failed := c.need("admin.trigger"); failed != nil {
		return 0, nil, failed
	}
	known := len(s.triggers)
	s.triggers = slices.DeleteFunc(s.triggers, func(t *trigger) bool { return t.ID == c.id("id") })
	if len(s.triggers) == known {
		return 0, nil, notFound("Trigger", c.id("id"))
	}
	return http.StatusOK, map[string]any{}, nil
}

func (t *trigger) name() string { return text(t.fields["name"]) }

func (t *trigger) condition() map[string]any {
	condition, _ := t.fields["condition"].(map[string]any)
	return condition
}

func (t *trigger) webhookID() int {
	perform, _ := t.fields["perform"].(map[string]any)
	notification, _ := perform["notification.webhook"].(map[string]any)
	return number(notification["webhook_id"])
}

// row returns the fields of a row after a call changed it.
func (s *Server) row(before, given map[string]any, allowed []string, otherwise map[string]any) map[string]any {
	now := s.clock.Now().UTC().Format(time.RFC3339Nano)
	fields := map[string]any{"created_at": now}
	for _, from := range []map[string]any{otherwise, before} {
		maps.Copy(fields, from)
	}
	for _, name := range allowed {
		if value, ok := given[name]; ok {
			fields[name] = value
		}
	}
	fields["updated_at"] = now
	return fields
}

func withID(id int, fields map[string]any) map[string]any {
	body := map[string]any{"id": id}
	maps.Copy(body, fields)
	return body
}
