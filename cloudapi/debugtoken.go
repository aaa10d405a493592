package cloudapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The permissions that a channel's access token needs.
const (
	// ScopeManagement allows reading phone numbers and setting up webhooks.
	ScopeManagement = "whatsapp_business_management"
	// ScopeMessaging allows sending messages and receiving their webhooks.
	ScopeMessaging = "whatsapp_business_messaging"
)

// TokenInfo is what Meta knows about an access token.
type TokenInfo struct {
	AppID   string
	AppName string
	// Type is an open string such as "SYSTEM_USER".
	Type   string
	UserID string
	Valid  bool
	// Problem says why the token is not valid, where Meta tells.
	Problem  string
	IssuedAt time.Time
	// ExpiresAt is zero for a token that never expires.
	ExpiresAt time.Time
	// DataAccessExpiresAt is zero where access never expires.
	DataAccessExpiresAt time.Time
	Scopes              []string
	// GranularScopes limit a scope to some assets.
	GranularScopes []GranularScope
}

// GranularScope is a scope with the assets that it is limited to.
type GranularScope struct {
	Scope string `json:"scope"`
	// TargetIDs is empty where the scope reaches all assets of the user.
	TargetIDs []string `json:"target_ids"`
}

// HasScope reports whether the token carries a permission.
func (t TokenInfo) HasScope(scope string) bool { return slices.Contains(t.Scopes, scope) }

// DebugToken asks Meta about an access token, authorised by the token itself.
// A token that is expired or revoked mostly gives an error of
// [ClassInvalidToken] rather than an answer with Valid unset.
//
// This is the one call that has a token in its URL: Meta documents no other way
// to name the token in question. The URL leaves this process only inside the
// TLS connection, and no error of this package holds it.
func (c *Client) DebugToken(ctx context.Context, token Token) (TokenInfo, error) {
	if err := checkToken("access token", token); err != nil {
		return TokenInfo{}, err
	}
	var answer struct {
		Data *struct {
			AppID               string          `json:"app_id"`
			Application         string          `json:"application"`
			Type                string          `json:"type"`
			UserID              string          `json:"user_id"`
			IsValid             bool            `json:"is_valid"`
			IssuedAt            int64           `json:"issued_at"`
			ExpiresAt           int64           `json:"expires_at"`
			DataAccessExpiresAt int64           `json:"data_access_expires_at"`
			Scopes              []string        `json:"scopes"`
			GranularScopes      []GranularScope `json:"granular_scopes"`
			Error               struct {
				Message string `json:"message"`
			} `json:"error"`
		} `json:"data"`
	}
	err := c.do(ctx, call{
		method: http.MethodGet,
		path:   []string{"debug_token"},
		query:  url.Values{"input_token": {string(token)}},
		token:  token,
	}, &answer)
	if err != nil {
		return TokenInfo{}, fmt.Errorf("check the access token: %w", err)
	}
	if answer.Data == nil {
		return TokenInfo{}, fmt.Errorf("check the access token: %w", &AnswerError{HTTPStatus: http.StatusOK, Reason: "it tells nothing about the token"})
	}
	data := answer.Data
	return TokenInfo{
		AppID:               data.AppID,
		AppName:             data.Application,
		Type:                data.Type,
		UserID:              data.UserID,
		Valid:               data.IsValid,
		Problem:             scrub(data.Error.Message, token),
		IssuedAt:            unixTime(data.IssuedAt),
		ExpiresAt:           unixTime(data.ExpiresAt),
		DataAccessExpiresAt: unixTime(data.DataAccessExpiresAt),
		Scopes:              data.Scopes,
		GranularScopes:      data.GranularScopes,
	}, nil
}

// unixTime returns the zero time for 0, which Meta writes for "never".
func unixTime(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
