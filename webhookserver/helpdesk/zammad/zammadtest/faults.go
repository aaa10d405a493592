package zammadtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Failure is a way for calls to fail. One of Status, CloseConnection, Hang and Delay says how; with none of them the call
// turns out well, after Then.
type Failure struct {
	// Endpoint limits the failure to one call, such as [PostTickets]. Empty means all.
	Endpoint Endpoint
	// Times is how many calls fail, 0 for all until it is taken back.
	Times int

	// Status is answered with a web page, as by a proxy. Text replaces the page by an error of Zammad's own.
	Status int
	Text   string
	// CloseConnection closes the connection instead of answering.
	CloseConnection bool
	// Hang never answers, until the caller gives up or the server is closed.
	Hang bool
	// Delay answers as ever, but that much later by the clock.
	Delay time.Duration
	// AfterEffect lets the call have its effect before it fails: the ticket is there, but the caller never learns.
	AfterEffect bool
	// Then is called once the effect is there and before the answer is lost or delayed.
	Then func()
}

type failure struct {
	Failure
	left int
}

// Fail makes calls fail from now on. Of several failures that fit a call the latest counts. The function returned takes
// it back.
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

// Heal takes all failures back, and lets the server answer again after [Server.GoDown].
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures, s.down = nil, false
}

// GoDown lets no call be answered any more, until Heal. Webhooks are not sent either.
func (s *Server) GoDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
}

// failureFor returns the failure that a call is to have, and counts it.
func (s *Server) failureFor(endpoint Endpoint) *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range slices.Backward(s.failures) {
		if f.Endpoint != "" && f.Endpoint != endpoint {
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

// failWith lets a call fail, which is on record before the caller can look for it. It returns false where the call is only
// delayed.
func (s *Server) failWith(w http.ResponseWriter, r *http.Request, f *Failure, endpoint Endpoint) (failed bool) {
	switch {
	case f.CloseConnection:
		s.record(endpoint, 0)
		closeConnection(w)
		return true
	case f.Hang:
		s.record(endpoint, 0)
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		closeConnection(w)
		return true
	case f.Status != 0 && f.Text != "":
		s.record(endpoint, f.Status)
		writeJSON(w, f.Status, (&apiError{f.Status, f.Text, true}).body())
		return true
	case f.Status != 0:
		s.record(endpoint, f.Status)
		writePage(w, f.Status)
		return true
	}
	timer := s.clock.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

// writePage answers as the web server in front of Zammad does.
func writePage(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	title := strings.TrimSpace(http.StatusText(status))
	_, _ = w.Write([]byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"))
}

func closeConnection(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = connection.Close()
}
