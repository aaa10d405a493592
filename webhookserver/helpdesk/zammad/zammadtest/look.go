package zammadtest

import "slices"

// Ticket is a ticket as an agent sees it.
type Ticket struct {
	ID          int            `json:"id"`
	Number      string         `json:"number"`
	Title       string         `json:"title"`
	State       string         `json:"state"`
	Group       string         `json:"group"`
	CustomerID  int            `json:"customerID"`
	Customer    string         `json:"customer"`
	Tags        []string       `json:"tags,omitempty"`
	Preferences map[string]any `json:"preferences,omitempty"`
	Articles    []Article      `json:"articles"`
}

// Article is an article as an agent sees it.
type Article struct {
	ID          int            `json:"id"`
	Sender      string         `json:"sender"`
	Type        string         `json:"type"`
	From        string         `json:"from"`
	Subject     string         `json:"subject,omitempty"`
	Body        string         `json:"body"`
	ContentType string         `json:"contentType"`
	Internal    bool           `json:"internal"`
	MessageID   string         `json:"messageID,omitempty"`
	OriginByID  int            `json:"originByID,omitempty"`
	CreatedByID int            `json:"createdByID"`
	Preferences map[string]any `json:"preferences,omitempty"`
	Files       []File         `json:"files,omitempty"`
}

// Tickets returns all tickets with their articles, in the order in which they were opened.
func (s *Server) Tickets() []Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Ticket, 0, len(s.tickets))
	for _, t := range s.tickets {
		list = append(list, s.look(t))
	}
	return list
}

// Ticket returns a ticket, false where there is none.
func (s *Server) Ticket(id int) (Ticket, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.ticket(id)
	if t == nil {
		return Ticket{}, false
	}
	return s.look(t), true
}

func (s *Server) look(t *ticket) Ticket {
	shown := Ticket{
		ID: t.ID, Number: t.Number, Title: t.Title, State: nameOf(stateNames, t.StateID), Group: s.group(t.GroupID).Name,
		CustomerID: t.CustomerID, Customer: s.user(t.CustomerID).name(), Tags: slices.Clone(t.Tags), Preferences: t.clone().Preferences,
		Articles: []Article{},
	}
	for _, a := range s.articlesOf(t.ID) {
		seen := Article{
			ID: a.ID, Sender: nameOf(senders, a.SenderID), Type: nameOf(articleTypes, a.TypeID), From: a.From, Subject: a.Subject, Body: a.Body,
			ContentType: a.ContentType, Internal: a.Internal, MessageID: a.MessageID, OriginByID: a.OriginByID, CreatedByID: a.CreatedByID,
			Preferences: a.Preferences,
		}
		for _, f := range a.Attachments {
			seen.Files = append(seen.Files, File{f.Filename, text(f.Preferences["Mime-Type"]), f.Data})
		}
		shown.Articles = append(shown.Articles, seen)
	}
	return shown
}

// Hook is a webhook or a trigger.
type Hook struct {
	ID     int            `json:"id"`
	Fields map[string]any `json:"fields"`
}

// Webhooks and Triggers return what was set up.
func (s *Server) Webhooks() (list []Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.webhooks {
		list = append(list, Hook{w.ID, withID(w.ID, w.fields)})
	}
	return list
}

// Triggers returns the triggers.
func (s *Server) Triggers() (list []Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.triggers {
		list = append(list, Hook{t.ID, withID(t.ID, t.fields)})
	}
	return list
}
