package cloudapitest

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

const (
	defaultLimit = 25
	maxLimit     = 100
)

var (
	listedFields = []string{"verified_name", "code_verification_status", "display_phone_number", "quality_rating",
		"platform_type", "throughput", "webhook_configuration", "id"}
	nodeFields = []string{"verified_name", "display_phone_number", "quality_rating", "id"}
)

// phoneNumbers lists the numbers of a business account page by page.
func (s *Server) phoneNumbers(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, failed := s.account(c, c.object, cloudapi.ScopeManagement); failed != nil {
		return nil, failed
	}
	limit, failed := c.limit()
	if failed != nil {
		return nil, failed
	}
	var ids []string
	for _, id := range s.numberIDs {
		if s.numbers[id].BusinessAccountID == c.object {
			ids = append(ids, id)
		}
	}
	start, end, failed := c.page(len(ids), limit)
	if failed != nil {
		return nil, failed
	}
	data := make([]map[string]any, 0, end-start)
	for _, id := range ids[start:end] {
		fields, failed := s.selectFields(c, s.numbers[id], listedFields)
		if failed != nil {
			return nil, failed
		}
		data = append(data, fields)
	}
	answer := map[string]any{"data": data}
	if len(data) > 0 {
		paging := map[string]any{"cursors": map[string]any{"before": cursor(start), "after": cursor(end)}}
		if end < len(ids) {
			// Meta puts the access token into this URL. Here it is left out: no
			// client needs it, and a test that logs the answer should not leak one.
			paging["next"] = "https://graph.facebook.com" + c.r.URL.Path + "?" +
				url.Values{"limit": {strconv.Itoa(limit)}, "after": {cursor(end)}}.Encode()
		}
		answer["paging"] = paging
	}
	return answer, nil
}

func (c *graphCall) limit() (int, *graphError) {
	text := c.text("limit")
	if text == "" {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, badParameter("The parameter limit must be between 1 and %d", maxLimit)
	}
	return limit, nil
}

// page returns which of total elements the call asks for.
func (c *graphCall) page(total, limit int) (start, end int, failed *graphError) {
	if after := c.text("after"); after != "" {
		decoded, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil {
			return 0, 0, badParameter("Invalid cursor")
		}
		start, err = strconv.Atoi(strings.TrimPrefix(string(decoded), "page"))
		if err != nil || start < 0 || start > total {
			return 0, 0, badParameter("Invalid cursor")
		}
	}
	return start, min(start+limit, total), nil
}

func cursor(position int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("page" + strconv.Itoa(position)))
}

// selectFields returns the fields of a number that a call asks for, with the id
// in any case; s.mu is held.
func (s *Server) selectFields(c *graphCall, n *number, fallback []string) (map[string]any, *graphError) {
	names := fallback
	if asked := c.text("fields"); asked != "" {
		names = strings.Split(asked, ",")
	}
	known := s.fieldsOf(c, n)
	selected := map[string]any{"id": n.ID}
	for _, name := range names {
		value, ok := known[strings.TrimSpace(name)]
		if !ok {
			return nil, &graphError{status: http.StatusBadRequest, code: 100, kind: oauthException,
				message: "(#100) Tried accessing nonexisting field (" + name + ") on node type (WhatsAppBusinessPhoneNumber)"}
		}
		selected[strings.TrimSpace(name)] = value
	}
	return selected, nil
}

func (s *Server) fieldsOf(c *graphCall, n *number) map[string]any {
	urls := s.configuration(n, c.app.ID)
	configuration := map[string]any{}
	for name, value := range map[string]string{
		"phone_number": urls.PhoneNumber, "whatsapp_business_account": urls.BusinessAccount, "application": urls.Application,
	} {
		if value != "" {
			configuration[name] = value
		}
	}
	return map[string]any{
		"id":                           n.ID,
		"display_phone_number":         n.DisplayPhoneNumber,
		"verified_name":                n.VerifiedName,
		"status":                       n.Status,
		"quality_rating":               n.QualityRating,
		"code_verification_status":     n.CodeVerificationStatus,
		"name_status":                  n.NameStatus,
		"account_mode":                 n.AccountMode,
		"platform_type":                n.PlatformType,
		"throughput":                   map[string]any{"level": n.ThroughputLevel},
		"host_platform":                n.PlatformType,
		"messaging_limit_tier":         n.MessagingLimit,
		"unified_cert_status":          n.NameStatus,
		"country_code":                 country(n.CountryDialCode + "0"),
		"username":                     nilIfEmpty(n.Username),
		"country_dial_code":            n.CountryDialCode,
		"is_official_business_account": false,
		"webhook_configuration":        configuration,
		"health_status":                n.Health,
		"whatsapp_business_manager_messaging_limit": n.MessagingLimit,
	}
}

func nilIfEmpty(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (s *Server) phoneNumber(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, failed := s.number(c, cloudapi.ScopeManagement)
	if failed != nil {
		return nil, failed
	}
	return wrap(s.selectFields(c, n, nodeFields))
}

// wrap keeps a nil error nil in the types that handlers return.
func wrap(answer map[string]any, failed *graphError) (any, *graphError) {
	if failed != nil {
		return nil, failed
	}
	return answer, nil
}
