package outbox

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Heard takes up a status that is news of the message that an effect sent. WhatsApp accepts messages that it then does
// not deliver because of what concerns the whole number or account, and says so by a status. The others are held back
// then, and as that a call succeeds proves nothing, one is sent now and then until a status says that it went.
func (o *Outbox) Heard(e store.Effect, s webhook.Status) {
	if s.Status != webhook.StatusFailed {
		o.went(e)
		return
	}
	for _, refusal := range s.Errors {
		if class := cloudapi.ClassOfCode(refusal.Code); stopsAll(class) {
			o.blocked(e, stopReason(refusal, class))
			return
		}
	}
}

// stopReason says why no message arrives. What WhatsApp calls details may name a customer, and is left out.
func stopReason(e webhook.Error, class cloudapi.Class) string {
	why := strings.TrimSuffix(cmp.Or(e.Title, e.Message, "no reason given"), ".")
	return fmt.Sprintf("Meta did not deliver a message: %s (code %d). %s", why, e.Code, whatToDo[class])
}

// blocked holds messages back because one did not go that was sent after all those that did.
func (o *Outbox) blocked(e store.Effect, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, already := o.stopped[conversation.Graph]
	if !e.CalledAt.After(o.proven) || (already && s.heard.IsZero()) {
		return
	}
	since := e.CalledAt
	if s.heard.After(since) {
		since = s.heard
	}
	o.stopped[conversation.Graph] = stop{reason: reason, until: o.Clock.Now().Add(probeAfter), heard: since}
	if !already {
		o.Log.Error("messages are held back until this is mended", "reason", reason)
	}
}

// went notes that a message went, and lets the others go if it was sent after the one for which they were held back.
func (o *Outbox) went(e store.Effect) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.CalledAt.After(o.proven) {
		o.proven = e.CalledAt
	}
	if s := o.stopped[conversation.Graph]; !s.heard.IsZero() && e.CalledAt.After(s.heard) {
		delete(o.stopped, conversation.Graph)
		o.Log.Info("messages are sent again")
		o.Wake()
	}
}

// answered lets the calls to a destination go that were held back, because one was answered. Where WhatsApp said by a
// status that no message goes, another is tried after a while, unless the status of this one comes first.
func (o *Outbox) answered(e store.Effect) {
	d := e.Kind.Destination()
	o.mu.Lock()
	s := o.stopped[d]
	if !s.heard.IsZero() && e.SendText != nil {
		s.until = o.Clock.Now().Add(probeAfter)
		o.stopped[d] = s
	}
	o.mu.Unlock()
	if s.heard.IsZero() {
		o.release(d)
	}
}
