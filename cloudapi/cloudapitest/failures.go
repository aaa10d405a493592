package cloudapitest

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// Failure is a way for calls to fail. Exactly one of Code, HTTPStatus alone,
// Hang and CloseConnection says how.
type Failure struct {
	// Endpoint limits the failure to one call, Object to one app, account or
	// phone number. Empty means all.
	Endpoint Endpoint
	Object   string
	// Times is how many calls fail, 0 for all until it is taken back.
	Times int

	// Code is one of Meta's error codes. HTTPStatus and Message replace what
	// belongs to it, and RetryAfter adds the header of that name.
	Code       int
	Message    string
	RetryAfter time.Duration
	// HTTPStatus without Code is answered with a web page, as by a proxy.
	HTTPStatus int
	// Hang never answers, until the caller gives up or the server is closed.
	Hang bool
	// CloseConnection closes the connection instead of answering.
	CloseConnection bool

	// AfterEffect lets the call have its effect before it fails: the message is
	// sent, but its sender never learns.
	AfterEffect bool
}

type failure struct {
	Failure
	left int
}

// Fail makes calls fail from now on. Of several failures that fit a call the
// latest counts. The function returned takes it back.
func (s *Server) Fail(f Failure) (undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &failure{Failure: f, left: f.Times}
	s.failures = append(s.failures, added)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failures = slices.DeleteFunc(s.failures, func(known *failure) bool { return known == added })
	}
}

// Heal takes all failures back.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = nil
}

// failureFor returns the failure that a call is to have, and counts it.
func (s *Server) failureFor(endpoint Endpoint, object string) *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range slices.Backward(s.failures) {
		if (f.Endpoint != "" && f.Endpoint != endpoint) || (f.Object != "" && f.Object != object) {
			continue
		}
		if f.Times > 0 {
			f.left--
			if f.left == 0 {
				s.failures = slices.Delete(s.failures, i, i+1)
			}
		}
		found := f.Failure
		return &found
	}
	return nil
}

// failWith lets a call fail. The call is on record before the caller can look for it.
func (s *Server) failWith(w http.ResponseWriter, r *http.Request, f *Failure, entry Request) {
	record := func(status, code int) {
		entry.Status, entry.Code = status, code
		s.record(entry)
	}
	switch {
	case f.CloseConnection:
		record(0, 0)
		closeConnection(w)
		return
	case f.Hang:
		record(0, 0)
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		closeConnection(w)
		return
	case f.Code == 0:
		status := cmp.Or(f.HTTPStatus, http.StatusInternalServerError)
		record(status, 0)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		setWait(w, f.RetryAfter)
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<!DOCTYPE html><html><body><h1>Sorry, something went wrong.</h1></body></html>\n"))
		return
	}
	e := errorOfCode(f.Code)
	if f.HTTPStatus != 0 {
		e.status = f.HTTPStatus
	}
	if f.Message != "" {
		e.message = f.Message
	}
	if f.RetryAfter != 0 {
		e.wait = f.RetryAfter
	}
	record(e.status, e.code)
	setWait(w, e.wait)
	writeJSON(w, e.status, e.body())
}

// closeConnection ends a connection without an answer. A panic with
// http.ErrAbortHandler would do so too, but unwind what called us.
func closeConnection(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = connection.Close()
}
