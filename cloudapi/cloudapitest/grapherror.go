package cloudapitest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

// graphError is an error in the form that the Graph API gives it.
type graphError struct {
	status    int
	code      int
	subcode   int
	kind      string
	message   string
	details   string
	userTitle string
	userText  string
	transient bool
	wait      time.Duration
}

const (
	oauthException       = "OAuthException"
	graphMethodException = "GraphMethodException"
)

func (e *graphError) body() map[string]any {
	inner := map[string]any{
		"message":    e.message,
		"type":       e.kind,
		"code":       e.code,
		"fbtrace_id": "A" + base64.RawURLEncoding.EncodeToString([]byte(randomHex(8)))[:22],
	}
	if e.subcode != 0 {
		inner["error_subcode"] = e.subcode
	}
	if e.details != "" {
		inner["error_data"] = map[string]any{"messaging_product": "whatsapp", "details": e.details}
	}
	if e.userTitle != "" {
		inner["error_user_title"], inner["error_user_msg"] = e.userTitle, e.userText
	}
	if e.transient {
		inner["is_transient"] = true
	}
	return map[string]any{"error": inner}
}

func badParameter(format string, args ...any) *graphError {
	return &graphError{status: http.StatusBadRequest, code: 100, kind: oauthException,
		message: "(#100) " + fmt.Sprintf(format, args...)}
}

func notFound(what string) *graphError {
	return &graphError{status: http.StatusNotFound, code: 803, kind: graphMethodException, message: what + " not found"}
}

func missingToken() *graphError {
	return &graphError{status: http.StatusUnauthorized, code: 104, kind: oauthException,
		message: "A call to this resource needs an access token"}
}

func invalidToken(message string, subcode int) *graphError {
	return &graphError{status: http.StatusUnauthorized, code: 190, subcode: subcode, kind: oauthException, message: message}
}

func permissionMissing(scope string) *graphError {
	return &graphError{status: http.StatusForbidden, code: 200, subcode: 1349176, kind: oauthException,
		message: "(#200) The permission " + scope + " is required"}
}

func assetForbidden(what string) *graphError {
	return &graphError{status: http.StatusForbidden, code: 200, subcode: 1349174, kind: oauthException,
		message:   "(#200) The app may not access this " + what,
		userTitle: "Permission denied", userText: "The app may not access this " + what}
}

func messageError(code int, details string) *graphError {
	e := errorOfCode(code)
	e.details = details
	return e
}

// firstMessagingCode is where the codes of messaging begin, which come with details.
const firstMessagingCode = 130000

// errorOfCode returns the error that the Graph API gives for a code.
func errorOfCode(code int) *graphError {
	known, ok := graphErrors[code]
	if !ok {
		known = graphError{status: http.StatusBadRequest, message: "An error occurred"}
	}
	known.code = code
	if known.kind == "" {
		known.kind = oauthException
	}
	if code >= firstMessagingCode {
		known.details = known.message + "."
	}
	if code >= firstMessagingCode || code == 100 {
		known.message = fmt.Sprintf("(#%d) %s", code, known.message)
	}
	return &known
}

var graphErrors = map[int]graphError{
	0:      {status: http.StatusUnauthorized, message: "The user could not be authenticated"},
	1:      {status: http.StatusInternalServerError, message: "An unknown error occurred", transient: true},
	2:      {status: http.StatusInternalServerError, kind: graphMethodException, message: "Service temporarily unavailable", transient: true},
	3:      {status: http.StatusInternalServerError, message: "The app lacks a capability"},
	4:      {status: http.StatusTooManyRequests, subcode: 2446079, message: "The app's request limit is reached", transient: true, wait: time.Minute},
	10:     {status: http.StatusForbidden, message: "The app lacks a permission"},
	33:     {status: http.StatusBadRequest, message: "The phone number was deleted"},
	100:    {status: http.StatusBadRequest, message: "Invalid parameter"},
	190:    {status: http.StatusUnauthorized, subcode: 463, message: "The access token is not valid"},
	200:    {status: http.StatusForbidden, subcode: 1349174, message: "Permission denied"},
	368:    {status: http.StatusForbidden, message: "Blocked for a breach of policy"},
	803:    {status: http.StatusNotFound, kind: graphMethodException, message: "The object does not exist"},
	2200:   {status: http.StatusBadRequest, message: "Callback verification failed"},
	80007:  {status: http.StatusTooManyRequests, subcode: 2446079, message: "The account's request limit is reached", transient: true, wait: time.Minute},
	130403: {status: http.StatusBadRequest, message: "The business blocked the user"},
	130429: {status: http.StatusBadRequest, subcode: 2494055, message: "Rate limit hit"},
	130472: {status: http.StatusBadRequest, message: "The user's number is part of an experiment"},
	130497: {status: http.StatusForbidden, message: "The business may not message users in this country"},
	131000: {status: http.StatusInternalServerError, message: "Something went wrong"},
	131005: {status: http.StatusForbidden, message: "Access denied"},
	131008: {status: http.StatusBadRequest, message: "A required parameter is missing"},
	131009: {status: http.StatusBadRequest, message: "A parameter's value is not valid"},
	131016: {status: http.StatusServiceUnavailable, message: "Service unavailable"},
	131021: {status: http.StatusBadRequest, message: "The recipient cannot be the sender"},
	131026: {status: http.StatusBadRequest, message: "Message undeliverable"},
	131031: {status: http.StatusForbidden, message: "The business account is locked"},
	131042: {status: http.StatusBadRequest, message: "There is a problem with the payment method"},
	131045: {status: http.StatusInternalServerError, message: "The phone number's certificate is wrong"},
	131047: {status: http.StatusBadRequest, message: "Re-engagement message"},
	131048: {status: http.StatusBadRequest, message: "Spam rate limit hit"},
	131049: {status: http.StatusBadRequest, message: "Not delivered, to keep the ecosystem healthy"},
	131050: {status: http.StatusBadRequest, message: "The user opted out"},
	131051: {status: http.StatusBadRequest, message: "Unsupported message type"},
	131052: {status: http.StatusBadRequest, message: "Media download error"},
	131053: {status: http.StatusBadRequest, message: "Media upload error"},
	131056: {status: http.StatusBadRequest, message: "Rate limit for this pair of business and user hit"},
	131057: {status: http.StatusInternalServerError, message: "The account is in maintenance"},
	133010: {status: http.StatusBadRequest, message: "The phone number is not registered"},
}
