package conversation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// Any course of events keeps the promises that tables can only show by example.
func TestPromises(t *testing.T) {
	for seed := range byte(150) {
		random := rand.NewChaCha8([32]byte{seed})
		story := make([]byte, 400)
		_, _ = random.Read(story)
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { follow(t, story) }) {
			return
		}
	}
}

func FuzzStep(f *testing.F) {
	f.Add([]byte{})
	// A message, a reminder, the end of the window, and a message again.
	f.Add([]byte("\x00\x00\x00\x00\x06\x14\x06\x04\x00\x01\x00\x00"))
	// A message, a reply, its statuses out of order, a goodbye, and a new ticket.
	f.Add([]byte("\x00\x00\x00\x00\x01\x00\x05\x01\x00\x00\x05\x04\x00\x00\x05\x00\x00\x02\x03\x01\x00\x00\x00\x00"))
	// Messages that come late, and a clock that goes back.
	f.Add([]byte("\x00\x00\x00\x30\x06\x17\x00\x01\x00\x10\x06\xf8\x06\x08\x06\x08"))
	f.Fuzz(func(t *testing.T, story []byte) { follow(t, story) })
}

// follow lets a story happen, whose bytes choose the events and their times, and checks each step.
func follow(t *testing.T, story []byte) {
	t.Helper()
	teller := &teller{
		t: t, story: bytes.NewReader(story), state: conversation.State{ID: "c"}, at: now,
		seen: map[string]bool{}, shown: map[string]conversation.Delivery{},
	}
	for range 200 {
		event, ok := teller.next()
		if !ok {
			return
		}
		teller.happen(event)
	}
}

// teller tells a story, and remembers what it has to check later events against.
type teller struct {
	t     *testing.T
	story *bytes.Reader
	state conversation.State
	at    time.Time
	// written counts messages and replies, which makes their IDs.
	written int
	parts   []conversation.Part
	seen    map[string]bool
	shown   map[string]conversation.Delivery
}

// choose returns a number below n, from the story.
func (s *teller) choose(n int) int {
	b, err := s.story.ReadByte()
	if err != nil {
		return 0
	}
	return int(b) % n
}

var fuzzSettings = conversation.Settings{
	TargetGroup: "g", Welcome: "welcome", Goodbye: "goodbye", Reminder: "reminder", ReminderAfter: 20 * time.Hour, Unsupported: "unsupported",
}

func (s *teller) next() (conversation.Event, bool) {
	kind, err := s.story.ReadByte()
	if err != nil {
		return nil, false
	}
	epoch := 1 + s.choose(s.state.Epoch+1)
	var part conversation.Part
	if len(s.parts) > 0 {
		part = s.parts[s.choose(len(s.parts))]
	}
	settings := fuzzSettings
	if kind >= 0x80 {
		settings = conversation.Settings{}
	}
	switch kind % 10 {
	case 0:
		return s.message(settings), true
	case 1:
		// Agents reply on tickets that there are.
		if s.state.Epoch == 0 {
			return s.message(settings), true
		}
		s.written++
		return conversation.ReplyWritten{ID: fmt.Sprintf("r%d", s.written), Epoch: min(epoch, s.state.Epoch), Text: strings.Repeat("x", s.choose(3)*conversation.MaxText+1)}, true
	case 2:
		return conversation.TicketClosed{Epoch: epoch, Settings: settings}, true
	case 3:
		return conversation.TicketPending{Epoch: epoch, Settings: settings}, true
	case 4:
		return conversation.TicketReopened{Epoch: epoch, Settings: settings}, true
	case 5, 7:
		statuses := []string{"sent", "delivered", "read", "played", "failed", "warped"}
		return conversation.StatusReceived{Sent: part, Status: webhook.Status{Status: statuses[s.choose(len(statuses))]}}, true
	case 6, 8:
		// The clock moves, mostly forward, and the conversation is woken whether it wants to or not.
		s.at = s.at.Add(time.Duration(int8(s.choose(256))) * time.Hour / 2)
		return conversation.Woken{Settings: settings}, true
	default:
		outcomes := []conversation.Outcome{conversation.Accepted, conversation.Refused, conversation.Unknown}
		return conversation.SendFinished{Sent: part, Outcome: outcomes[s.choose(len(outcomes))], Reason: "why"}, true
	}
}

func (s *teller) message(settings conversation.Settings) conversation.MessageReceived {
	types := []string{"text", "reaction", "image", "system", "edit", "revoke", "unsupported", "request_welcome", "hologram", "order", "call"}
	s.written++
	e := of(types[s.choose(len(types))], fmt.Sprintf("w%d", s.written), s.at.Add(-time.Duration(s.choose(72))*time.Hour))
	e.Settings = settings
	return e
}

// happen takes a step, and checks all that holds for every step.
func (s *teller) happen(event conversation.Event) {
	s.t.Helper()
	before, err := json.Marshal(s.state)
	if err != nil {
		s.t.Fatal(err)
	}
	next, effects := conversation.Step(s.state, event, s.at)
	if after, _ := json.Marshal(s.state); !bytes.Equal(after, before) {
		s.t.Fatalf("%T: the state that was passed in changed", event)
	}
	s.decidesTheSameFromTheStore(before, event, next, effects)
	switch {
	case next.Epoch < s.state.Epoch || next.Epoch > s.state.Epoch+1:
		s.t.Fatalf("%T: from ticket %d to %d", event, s.state.Epoch, next.Epoch)
	case next.Open && next.Epoch == 0, next.Pending && !next.Open:
		s.t.Fatalf("%T: open %v, pending %v in epoch %d", event, next.Open, next.Pending, next.Epoch)
	case next.LastMessageAt.Before(s.state.LastMessageAt):
		s.t.Fatalf("%T: the window went back", event)
	}
	if _, woken := event.(conversation.Woken); woken {
		if at := next.WakeAt(); !at.IsZero() && !at.After(s.at) {
			s.t.Fatalf("it was woken at %v, and wants to be at %v", s.at, at)
		}
	}
	opened := 0
	for _, e := range effects {
		s.check(event, next, e)
		if e.OpenTicket != nil {
			opened++
		}
	}
	if opened != next.Epoch-s.state.Epoch {
		s.t.Fatalf("%T: %d tickets opened from epoch %d to %d", event, opened, s.state.Epoch, next.Epoch)
	}
	s.state = next
}

func (s *teller) decidesTheSameFromTheStore(stored []byte, event conversation.Event, next conversation.State, effects []conversation.Effect) {
	s.t.Helper()
	var restored conversation.State
	if err := json.Unmarshal(stored, &restored); err != nil {
		s.t.Fatal(err)
	}
	again, sameEffects := conversation.Step(restored, event, s.at)
	if diff := cmp.Diff(effects, sameEffects); diff != "" {
		s.t.Fatalf("%T: a stored state decides otherwise:\n%s", event, diff)
	}
	a, _ := json.Marshal(next)
	b, _ := json.Marshal(again)
	if !bytes.Equal(a, b) {
		s.t.Fatalf("%T: a stored state becomes another", event)
	}
}

// check holds one effect against the promises: once for each key, for a cause, inside the window, only forward.
func (s *teller) check(event conversation.Event, next conversation.State, e conversation.Effect) {
	s.t.Helper()
	if s.seen[e.Key] {
		s.t.Fatalf("%T: the key %s came twice", event, e.Key)
	}
	s.seen[e.Key] = true
	if e.Epoch < 1 || e.Epoch > next.Epoch {
		s.t.Fatalf("%T: an effect on ticket %d of %d", event, e.Epoch, next.Epoch)
	}
	if e.SendText != nil {
		s.parts = append(s.parts, e.SendText.Part)
		if !next.MaySend(s.at) {
			s.t.Fatalf("%T: a %s is sent after the window", event, e.SendText.Purpose)
		}
		s.checkCause(event, next, e.SendText.Purpose)
	}
	if _, woken := event.(conversation.Woken); woken && e.AddArticle != nil && e.AddArticle.Author == conversation.AuthorNote {
		if soon := strings.Contains(e.Key, "/window-near-end/"); !next.Open || soon != next.MaySend(s.at) {
			s.t.Fatalf("%s: open %v, %v before the window's end", e.Key, next.Open, next.WindowEnds().Sub(s.at))
		}
	}
	if d := e.SetDelivery; d != nil {
		if !s.shown[d.ArticleID].Before(d.Delivery) {
			s.t.Fatalf("%T: %s went from %s back to %s", event, d.ArticleID, s.shown[d.ArticleID], d.Delivery)
		}
		s.shown[d.ArticleID] = d.Delivery
	}
}

func (s *teller) checkCause(event conversation.Event, next conversation.State, purpose conversation.Purpose) {
	s.t.Helper()
	ok := false
	switch e := event.(type) {
	case conversation.ReplyWritten:
		ok = purpose == conversation.Reply
	case conversation.MessageReceived:
		ok = purpose == conversation.Unsupported && e.Settings.Unsupported != "" && (e.Message.Type == "unsupported" || e.Message.Type == "hologram") ||
			purpose == conversation.Welcome && e.Settings.Welcome != "" && next.Epoch > s.state.Epoch
	case conversation.TicketClosed:
		ok = purpose == conversation.Goodbye && e.Settings.Goodbye != "" && s.state.Open && !next.Open
	case conversation.Woken:
		ok = purpose == conversation.Reminder && e.Settings.Reminder != "" && next.Open && !s.at.Before(next.LastMessageAt.Add(e.Settings.ReminderAfter))
	}
	if !ok {
		s.t.Fatalf("a %s for %T", purpose, event)
	}
}
