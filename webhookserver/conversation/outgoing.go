package conversation

import (
	"cmp"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// Outgoing is a message to the customer, and how far it has got.
type Outgoing struct {
	// Epoch is that of the ticket which shows it.
	Epoch    int       `json:"epoch"`
	QueuedAt time.Time `json:"queuedAt"`
	// Parts holds the delivery of each WhatsApp message that it was split into.
	Parts []Delivery `json:"parts"`
	// Shown is what the ticket says.
	Shown Delivery `json:"shown"`
}

// Delivery is how far a message to the customer has got. It only moves forward.
type Delivery string

// The deliveries, in their order. Failed precedes Delivered because a message that arrived did not fail, whatever an
// earlier status said.
const (
	Queued    Delivery = "queued"
	Taken     Delivery = "accepted"
	Uncertain Delivery = "uncertain"
	Sent      Delivery = "sent"
	NotSent   Delivery = "not-sent"
	Failed    Delivery = "failed"
	Delivered Delivery = "delivered"
	Read      Delivery = "read"
	Played    Delivery = "played"
)

var rank = map[Delivery]int{
	Queued: 1, Taken: 2, Uncertain: 3, Sent: 4, NotSent: 5, Failed: 6, Delivered: 7, Read: 8, Played: 9,
}

// Before tells whether d comes before other. An unknown delivery comes before all.
func (d Delivery) Before(other Delivery) bool { return rank[d] < rank[other] }

var deliveryOf = map[string]Delivery{
	webhook.StatusSent:      Sent,
	webhook.StatusDelivered: Delivered,
	webhook.StatusRead:      Read,
	webhook.StatusPlayed:    Played,
	webhook.StatusFailed:    Failed,
}

// together is the delivery of a message whose parts got this far: the failed part's if one failed, else the slowest's.
func together(parts []Delivery) Delivery {
	slowest := parts[0]
	for _, d := range parts {
		if d == Failed || d == NotSent {
			return d
		}
		if d.Before(slowest) {
			slowest = d
		}
	}
	return slowest
}

// advance moves one part forward and shows the result on the ticket if that moved too. Being taken by WhatsApp is
// not worth a call to the helpdesk: the status that follows says more.
func (s *State) advance(part Part, to Delivery, reason string, at time.Time) []Effect {
	out, known := s.Outgoing[part.Outgoing]
	if !known || part.Index < 0 || part.Index >= len(out.Parts) || !out.Parts[part.Index].Before(to) {
		return nil
	}
	out.Parts = append([]Delivery(nil), out.Parts...)
	out.Parts[part.Index] = to
	shown := together(out.Parts)
	var effects []Effect
	if out.Shown.Before(shown) && shown != Taken {
		out.Shown = shown
		if shown != Failed && shown != NotSent && shown != Uncertain {
			reason = ""
		}
		effects = append(effects, Effect{
			Key: part.Outgoing + "/delivery/" + string(shown), Kind: KindSetDelivery, Epoch: out.Epoch,
			SetDelivery: &SetDelivery{ArticleID: part.Outgoing, Delivery: shown, Reason: reason, At: at},
		})
	}
	s.Outgoing[part.Outgoing] = out
	return effects
}

// send queues a text and files, in as many messages as WhatsApp's limits want.
func (s *State) send(id string, epoch int, purpose Purpose, text string, files []File, now time.Time) []Effect {
	out := Outgoing{Epoch: epoch, QueuedAt: now, Shown: Queued}
	var effects []Effect
	for i, c := range contents(text, files) {
		out.Parts = append(out.Parts, Queued)
		message := &SendText{Part: Part{Outgoing: id, Index: i}, Purpose: purpose, Text: c.text}
		if c.file != nil {
			upload := uploadKey(id, i)
			message.File = &Enclosed{File: *c.file, Upload: upload}
			effects = append(effects, Effect{
				Key: upload, Kind: KindUploadMedia, Epoch: epoch, UploadMedia: &UploadMedia{File: *c.file},
			})
		}
		effects = append(effects, Effect{Key: sendKey(id, i), Kind: KindSendText, Epoch: epoch, SendText: message})
	}
	s.Outgoing[id] = out
	return effects
}

func sendKey(outgoing string, index int) string { return fmt.Sprintf("%s/send/%d", outgoing, index+1) }

// reasonOf words why WhatsApp failed to deliver.
func reasonOf(s webhook.Status) string {
	if len(s.Errors) == 0 {
		return "WhatsApp gave no reason."
	}
	e := s.Errors[0]
	return fmt.Sprintf("%s (WhatsApp error %d)", cmp.Or(e.Details, e.Message, e.Title, "WhatsApp gave no reason"), e.Code)
}
