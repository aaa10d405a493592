package zammadtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// attempts is how often a webhook is sent at most, and attemptWait how much longer each pause gets
// (app/jobs/trigger_webhook_job.rb: retry_on, attempts: 5, wait: executions * 10.seconds).
const (
	attempts    = 5
	attemptWait = 10 * time.Second
)

// The states of a [Delivery].
const (
	DeliveryUnderWay  = "under way"
	DeliveryWaiting   = "waiting"
	DeliveryAccepted  = "accepted"
	DeliveryAbandoned = "abandoned"
)

// Delivery is a webhook on its way to its endpoint.
type Delivery struct {
	// ID is the job's, which is the same for each attempt.
	ID       string    `json:"id"`
	Trigger  string    `json:"trigger"`
	TicketID int       `json:"ticketID"`
	State    string    `json:"state"`
	Attempts []Attempt `json:"attempts"`
}

// Attempt is one request.
type Attempt struct {
	Time time.Time `json:"time"`
	// Status is the HTTP status, 0 where there was no answer.
	Status int `json:"status"`
}

// change is what a transaction did to a ticket, for the triggers to look at.
type change struct {
	// kind is create or update.
	kind       string
	attributes []string
	article    *article
}

// trigger performs the triggers that a change wants, in the order of their names; s.mu is held. One that is selective
// runs where an attribute of its condition changed or an article was added.
func (s *Server) trigger(t *ticket, changed change) {
	ordered := slices.Clone(s.triggers)
	slices.SortFunc(ordered, func(a, b *trigger) int { return strings.Compare(a.name(), b.name()) })
	for _, tr := range ordered {
		if !isTrue(tr.fields["active"]) || tr.fields["activator"] != "action" {
			continue
		}
		if fits, failed := s.fits(t, tr.condition(), changed); failed != nil || !fits {
			continue
		}
		if tr.fields["execution_condition_mode"] == "selective" && changed.kind == "update" && changed.article == nil && !touches(tr, changed) {
			continue
		}
		s.perform(tr, t, changed.article)
	}
}

// touches tells whether a change is about an attribute that a condition names.
func touches(tr *trigger, changed change) bool {
	for name := range tr.condition() {
		if slices.ContainsFunc(changed.attributes, func(attribute string) bool { return name == "ticket."+attribute }) {
			return true
		}
	}
	return false
}

// perform sends a trigger's webhook. What it says is written down when it is sent, each time anew.
func (s *Server) perform(tr *trigger, t *ticket, a *article) {
	i := slices.IndexFunc(s.webhooks, func(w *webhook) bool { return w.ID == tr.webhookID() })
	if i < 0 || s.ctx.Err() != nil {
		return
	}
	if a == nil {
		// The context is the ticket's last article where the change brought none.
		if all := s.articlesOf(t.ID); len(all) > 0 {
			a = all[len(all)-1]
		}
	}
	d := &Delivery{ID: newJobID(), Trigger: tr.name(), TicketID: t.ID, State: DeliveryUnderWay}
	s.deliveries = append(s.deliveries, d)
	s.begin()
	articleID := 0
	if a != nil {
		articleID = a.ID
	}
	w, ticketID := s.webhooks[i], t.ID
	s.running.Go(func() { s.deliver(d, w, ticketID, articleID) })
}

// begin and end count what is under way; s.mu is held.
func (s *Server) begin() {
	if s.busy == 0 {
		s.settled = make(chan struct{})
	}
	s.busy++
}

func (s *Server) end() {
	if s.busy--; s.busy == 0 {
		close(s.settled)
	}
}

// deliver makes the attempts of a delivery.
func (s *Server) deliver(d *Delivery, w *webhook, ticketID, articleID int) {
	for attempt := 1; ; attempt++ {
		status := s.post(d, w, ticketID, articleID)
		s.mu.Lock()
		d.Attempts = append(d.Attempts, Attempt{s.clock.Now(), status})
		s.log.Info("sent a webhook", "trigger", d.Trigger, "attempt", attempt, "status", status)
		// Only a status of success counts.
		switch {
		case status >= 200 && status < 300:
			d.State = DeliveryAccepted
		case attempt == attempts:
			d.State = DeliveryAbandoned
		default:
			d.State = DeliveryWaiting
		}
		if d.State != DeliveryWaiting {
			s.end()
			s.mu.Unlock()
			return
		}
		timer := s.clock.NewTimer(time.Duration(attempt) * attemptWait)
		s.end()
		s.mu.Unlock()
		select {
		case <-timer.C():
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		s.mu.Lock()
		s.begin()
		d.State = DeliveryUnderWay
		s.mu.Unlock()
	}
}

// post makes one attempt and returns the status, 0 where there was none.
func (s *Server) post(d *Delivery, w *webhook, ticketID, articleID int) int {
	s.mu.Lock()
	endpoint, token := text(w.fields["endpoint"]), text(w.fields["signature_token"])
	active, down := isTrue(w.fields["active"]), s.down
	client := s.hooks
	if !isTrue(w.fields["ssl_verify"]) {
		client = s.lax
	}
	body, err := json.Marshal(s.payload(ticketID, articleID))
	s.mu.Unlock()
	if err != nil || down || !active {
		return 0
	}
	request, err := http.NewRequestWithContext(s.ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("User-Agent", "Zammad User Agent")
	request.Header.Set("X-Zammad-Trigger", d.Trigger)
	request.Header.Set("X-Zammad-Delivery", d.ID)
	if token != "" {
		request.Header.Set("X-Hub-Signature", Sign(body, token))
	}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return response.StatusCode
}

// Sign returns the header X-Hub-Signature of a body (lib/user_agent.rb#set_signature).
func Sign(body []byte, token string) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write(body)
	return "sha1=" + hex.EncodeToString(mac.Sum(nil))
}

// newJobID draws a job's ID, which is a UUID.
func newJobID() string {
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	text := hex.EncodeToString(random)
	return text[:8] + "-" + text[8:12] + "-4" + text[13:16] + "-8" + text[17:20] + "-" + text[20:]
}

// Deliveries returns the webhooks sent or under way, in order.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Delivery, 0, len(s.deliveries))
	for _, d := range s.deliveries {
		snapshot := *d
		snapshot.Attempts = slices.Clone(d.Attempts)
		list = append(list, snapshot)
	}
	return list
}

// Settle waits until every webhook was accepted or abandoned, or waits for the time of its next attempt.
func (s *Server) Settle(ctx context.Context) error {
	for {
		s.mu.Lock()
		busy, settled := s.busy, s.settled
		s.mu.Unlock()
		if busy == 0 {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return errors.New("the server is closed")
		}
	}
}
