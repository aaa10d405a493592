package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// MaxControlBody is larger than the largest webhook, so that one that is too large can be posted.
const MaxControlBody = 8 << 20

// Route is one call of a control API. What its handler returns is answered as JSON.
type Route struct {
	Pattern string
	Summary string
	Handle  func(*http.Request) (any, error)
}

// Control returns the control API of some routes, and GET /healthz.
func Control(routes []Route) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, Done) })
	for _, route := range routes {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, MaxControlBody)
			body, err := route.Handle(r)
			status := http.StatusOK
			if err != nil {
				status, body = http.StatusBadRequest, map[string]string{"error": err.Error()}
				if missing := (NotFoundError{}); errors.As(err, &missing) {
					status = http.StatusNotFound
				}
			}
			answer(w, status, body)
		})
	}
	return mux
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// NotFoundError is answered with status 404.
type NotFoundError struct{ What string }

func (e NotFoundError) Error() string { return "there is no " + e.What }

// Done is the answer of calls that have none.
var Done = map[string]bool{"done": true}

// Decode reads the body of a call.
func Decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the body is not the expected JSON: %w", err)
	}
	return nil
}

// OrEmpty makes an empty list [] in JSON and not null.
func OrEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// usage lists the routes.
func usage(output io.Writer, routes []Route) {
	_, _ = fmt.Fprint(output, "\nControl API:\n")
	for _, route := range routes {
		_, _ = fmt.Fprintf(output, "  %-36s %s\n", route.Pattern, route.Summary)
	}
}
