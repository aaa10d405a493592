package cloudapitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// The states of a [Delivery].
const (
	DeliveryQueued   = "queued"
	DeliveryWaiting  = "waiting"
	DeliveryAccepted = "accepted"
	DeliveryDropped  = "dropped"
	// DeliveryNowhere is the state of a webhook that no app wants.
	DeliveryNowhere = "nowhere"
)

// Delivery is a webhook on its way to a callback URL.
type Delivery struct {
	ID            int    `json:"id"`
	AppID         string `json:"appID,omitempty"`
	PhoneNumberID string `json:"phoneNumberID"`
	// Updates is how many messages and statuses it carries.
	Updates int `json:"updates"`
	// Duplicate marks a delivery whose body is delivered by another one as well.
	Duplicate bool      `json:"duplicate,omitempty"`
	State     string    `json:"state"`
	Attempts  []Attempt `json:"attempts"`
	// Due is when the next attempt is made, while the state is waiting.
	Due time.Time `json:"due,omitzero"`
	// Body is what is posted. It holds customers' data.
	Body []byte `json:"-"`
}

// Attempt is one post to a callback URL.
type Attempt struct {
	Time time.Time `json:"time"`
	URL  string    `json:"url"`
	// Status is the HTTP status, 0 where there was no answer.
	Status int `json:"status"`
	// Error says why there was none.
	Error string `json:"error,omitempty"`
}

// DefaultRetrySchedule returns the pauses before each further delivery. Meta
// publishes no more than that the first follows at once and the frequency falls
// over seven days.
func DefaultRetrySchedule() []time.Duration {
	schedule := []time.Duration{
		0, 10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute,
		time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	}
	for range 6 {
		schedule = append(schedule, 24*time.Hour)
	}
	return schedule
}

// lane keeps the webhooks of one phone number in order. A webhook that waits for
// its next attempt lets the others pass.
type lane struct {
	queue   []*Delivery
	running bool
}

const maxDeliveries = 20_000

// enqueue sends an update on its way, or keeps it while updates are held;
// s.mu is held.
func (s *Server) enqueue(numberID string, value map[string]any) {
	n := s.numbers[numberID]
	if n == nil {
		s.add(&Delivery{PhoneNumberID: numberID, Updates: 1, State: DeliveryNowhere})
		return
	}
	u := s.newUpdate(n, value)
	if s.holding {
		s.held = append(s.held, u)
		return
	}
	s.dispatch([]update{u})
}

// dispatch posts updates to every app that wants them; s.mu is held.
func (s *Server) dispatch(updates []update) {
	type destination struct{ appID, url string }
	var order []destination
	groups := map[destination][]update{}
	for _, u := range updates {
		wanted := false
		for _, appID := range s.appsFor(u) {
			to := destination{appID, s.configuration(s.numbers[u.numberID], appID).Effective()}
			if groups[to] == nil {
				order = append(order, to)
			}
			groups[to] = append(groups[to], u)
			wanted = true
		}
		if !wanted {
			s.add(&Delivery{PhoneNumberID: u.numberID, Updates: 1, State: DeliveryNowhere})
		}
	}
	for _, to := range order {
		group := groups[to]
		body := encodeWebhook(group)
		for copies := range 1 + s.mode.Duplicates {
			d := &Delivery{
				AppID: to.appID, PhoneNumberID: group[0].numberID, Updates: len(group),
				Duplicate: copies > 0, State: DeliveryQueued, Body: body,
			}
			s.add(d)
			s.push(d)
		}
	}
}

// appsFor returns the apps that receive an update: subscribed to the account,
// to the field, and with a URL; s.mu is held.
func (s *Server) appsFor(u update) []string {
	n := s.numbers[u.numberID]
	b := s.accounts[u.accountID]
	if n == nil || b == nil {
		return nil
	}
	var ids []string
	for id := range b.subscribed {
		a := s.apps[id]
		if a != nil && slices.Contains(a.fields, webhook.FieldMessages) && s.configuration(n, id).Effective() != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (s *Server) add(d *Delivery) {
	s.nextDelivery++
	d.ID = s.nextDelivery
	if len(s.deliveries) >= maxDeliveries {
		s.deliveries = slices.DeleteFunc(s.deliveries, func(old *Delivery) bool {
			return old.ID <= d.ID-maxDeliveries/2 && old.State != DeliveryQueued && old.State != DeliveryWaiting
		})
	}
	s.deliveries = append(s.deliveries, d)
}

// push queues a delivery in its lane; s.mu is held.
func (s *Server) push(d *Delivery) {
	if s.closed {
		return
	}
	d.State, d.Due = DeliveryQueued, time.Time{}
	if s.busy == 0 {
		s.settled = make(chan struct{})
	}
	s.busy++
	key := d.AppID + "/" + d.PhoneNumberID
	l := s.lanes[key]
	if l == nil {
		l = &lane{}
		s.lanes[key] = l
	}
	l.queue = append(l.queue, d)
	if !l.running {
		l.running = true
		s.running.Go(func() { s.drain(l) })
	}
}

// drain makes the attempts of a lane, one after the other.
func (s *Server) drain(l *lane) {
	for {
		s.mu.Lock()
		if len(l.queue) == 0 || s.closed {
			l.running = false
			s.mu.Unlock()
			return
		}
		d := l.queue[0]
		l.queue = l.queue[1:]
		target, secret := s.target(d)
		s.mu.Unlock()

		attempt := s.post(s.ctx, target, secret, d.Body)

		s.mu.Lock()
		d.Attempts = append(d.Attempts, attempt)
		s.conclude(d, attempt.Status == http.StatusOK)
		s.busy--
		if s.busy == 0 {
			close(s.settled)
		}
		s.mu.Unlock()
		s.log.Info("Delivered a webhook.", "delivery", d.ID, "attempt", len(d.Attempts), "status", attempt.Status, "error", attempt.Error)
	}
}

// conclude notes the end of an attempt and plans the next one; s.mu is held.
func (s *Server) conclude(d *Delivery, accepted bool) {
	failed := len(d.Attempts)
	switch {
	case accepted:
		d.State = DeliveryAccepted
	case failed > len(s.schedule):
		d.State = DeliveryDropped
	default:
		pause := s.schedule[failed-1]
		if pause <= 0 {
			s.push(d)
			return
		}
		d.State, d.Due = DeliveryWaiting, s.clock.Now().Add(pause)
		timer := s.clock.NewTimer(pause)
		s.running.Go(func() {
			defer timer.Stop()
			select {
			case <-timer.C():
				s.mu.Lock()
				s.wake()
				s.mu.Unlock()
			case <-s.ctx.Done():
			}
		})
	}
}

// wake queues the deliveries whose time has come; s.mu is held.
func (s *Server) wake() {
	now := s.clock.Now()
	for _, d := range s.deliveries {
		if d.State == DeliveryWaiting && !d.Due.After(now) {
			s.push(d)
		}
	}
}

// target returns where a delivery goes now; s.mu is held. The URL in force may
// have changed since the last attempt.
func (s *Server) target(d *Delivery) (url, secret string) {
	if n := s.numbers[d.PhoneNumberID]; n != nil {
		url = s.configuration(n, d.AppID).Effective()
	}
	if a := s.apps[d.AppID]; a != nil {
		secret = a.Secret
	}
	return url, secret
}

// post makes one attempt.
func (s *Server) post(ctx context.Context, url, secret string, body []byte) Attempt {
	attempt := Attempt{Time: s.clock.Now(), URL: url}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil || url == "" {
		attempt.Error = "there is no callback URL"
		return attempt
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", callbackUserAgent)
	request.Header.Set(webhook.SignatureHeader, webhook.Sign(body, []byte(secret)))
	response, err := s.callbacks.Do(request)
	if err != nil {
		attempt.Error = curlError(err)
		return attempt
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
	attempt.Status = response.StatusCode
	return attempt
}

// Post signs a body and posts it once to the callback URL in force for a phone
// number, and returns the status it was answered with. It is for bodies that no
// customer makes; they are not delivered again and not listed.
func (s *Server) Post(ctx context.Context, phoneNumberID string, body []byte) (status int, err error) {
	s.mu.Lock()
	n := s.numbers[phoneNumberID]
	if n == nil {
		s.mu.Unlock()
		return 0, fmt.Errorf("there is no phone number %q", phoneNumberID)
	}
	apps := s.appsFor(update{accountID: n.BusinessAccountID, numberID: n.ID})
	if len(apps) == 0 {
		s.mu.Unlock()
		return 0, fmt.Errorf("no app is subscribed to the messages of phone number %s", phoneNumberID)
	}
	url, secret := s.target(&Delivery{AppID: apps[0], PhoneNumberID: n.ID})
	s.mu.Unlock()
	attempt := s.post(ctx, url, secret, body)
	if attempt.Error != "" {
		return 0, errors.New(attempt.Error)
	}
	return attempt.Status, nil
}

// Deliveries returns the webhooks delivered or under way, in order.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	deliveries := make([]Delivery, 0, len(s.deliveries))
	for _, d := range s.deliveries {
		snapshot := *d
		snapshot.Attempts = slices.Clone(d.Attempts)
		deliveries = append(deliveries, snapshot)
	}
	return deliveries
}

// Settle waits until every webhook was accepted or dropped, or waits for the
// time of its next attempt.
func (s *Server) Settle(ctx context.Context) error {
	for {
		s.mu.Lock()
		s.wake()
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
