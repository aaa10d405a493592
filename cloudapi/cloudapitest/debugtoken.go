package cloudapitest

import (
	"net/http"
	"time"
)

func (s *Server) debugToken(c *graphCall) (any, *graphError) {
	value := c.text("input_token")
	if value == "" {
		return nil, badParameter("The parameter input_token is required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[value]
	if t == nil {
		return map[string]any{"data": map[string]any{
			"error":    map[string]any{"code": 190, "message": "Invalid OAuth access token"},
			"is_valid": false,
			"scopes":   []string{},
		}}, nil
	}
	if t.AppID != c.app.ID {
		return nil, &graphError{status: http.StatusBadRequest, code: 100, kind: oauthException,
			message: "(#100) The App_id in the input_token did not match the Viewing App"}
	}
	granular := make([]map[string]any, 0, len(t.Scopes))
	for _, scope := range t.Scopes {
		entry := map[string]any{"scope": scope}
		if t.BusinessAccountIDs != nil {
			entry["target_ids"] = t.BusinessAccountIDs
		}
		granular = append(granular, entry)
	}
	data := map[string]any{
		"app_id":                 t.AppID,
		"type":                   "SYSTEM_USER",
		"application":            c.app.Name,
		"data_access_expires_at": 0,
		"expires_at":             unixOrZero(t.ExpiresAt),
		"is_valid":               true,
		"issued_at":              t.issuedAt.Unix(),
		"scopes":                 t.Scopes,
		"granular_scopes":        granular,
		"user_id":                "122100" + t.AppID,
	}
	if problem := s.problem(t); problem != nil {
		data["is_valid"] = false
		data["error"] = map[string]any{"code": problem.code, "subcode": problem.subcode, "message": problem.message}
	}
	return map[string]any{"data": data}, nil
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
