package zammadtest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// apiError is an answer that is an error. Its form is that of app/controllers/application_controller/handles_errors.rb:
// "error", and "error_human" where the text is meant to be shown.
type apiError struct {
	status int
	text   string
	human  bool
}

func (e *apiError) body() map[string]string {
	body := map[string]string{"error": e.text}
	if e.human {
		body["error_human"] = e.text
	}
	return body
}

// unprocessable is Exceptions::UnprocessableEntity, status 422.
func unprocessable(format string, arguments ...any) *apiError {
	return &apiError{http.StatusUnprocessableEntity, fmt.Sprintf(format, arguments...), true}
}

// notFound is ActiveRecord::RecordNotFound, status 404.
func notFound(what string, id any) *apiError {
	return &apiError{http.StatusNotFound, fmt.Sprintf("Couldn't find %s with 'id'=%v", what, id), true}
}

// unauthorized is Exceptions::NotAuthorized, status 401.
func unauthorized(text string) *apiError { return &apiError{http.StatusUnauthorized, text, true} }

// forbidden is Exceptions::Forbidden, status 403.
func forbidden(text string) *apiError { return &apiError{http.StatusForbidden, text, true} }

// notAuthorized is what Pundit's refusals become (pundit_not_authorized_error): the cause is not told.
func notAuthorized() *apiError { return forbidden("Not authorized") }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
