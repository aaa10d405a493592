package webhookserver

import (
	"cmp"
	"context"
	"errors"

	"github.com/whatsapp-operator/whatsapp-operator/version"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// errStarting means that the store is not open yet.
var errStarting = errors.New("the receiver is starting")

func (s *Server) counts(ctx context.Context) (c store.Counts, err error) {
	r := s.running.Load()
	if r == nil {
		return c, errStarting
	}
	err = r.store.View(ctx, func(tx *store.Tx) error {
		c, err = tx.Counts()
		return err
	})
	if err == nil {
		s.counted.Store(&c)
	}
	return c, err
}

func (s *Server) status(ctx context.Context) (config.Status, error) {
	counts, err := s.counts(ctx)
	if err != nil {
		// A standby is not read, because what it shows may be old. That must not keep back why.
		last := s.counted.Load()
		if last == nil || s.pressure.refusal.Load() == nil {
			return config.Status{}, err
		}
		counts = *last
	}
	status := config.Status{
		Version:           version.String(),
		LastHandshakeTime: at(max(s.lastHandshake.Load(), counts.LastHandshakeAt.UnixMilli())),
		LastWebhookTime:   at(s.lastWebhook.Load()),
		Backlog:           counts.Backlog,
		DeadLetters:       counts.Effects[store.EffectDead],
		TurningAway:       s.pressure.reason(),
	}
	if !counts.LastMessageAt.IsZero() {
		status.LastMessageTime = &counts.LastMessageAt
	}
	status.Misrouted = counts.Quarantined[store.OtherNumber]
	for _, n := range counts.Quarantined {
		status.Quarantined += n
	}
	for state, n := range counts.Effects {
		if state < store.EffectDone {
			status.PendingEffects += n
		}
	}
	channel := s.processed()
	if channel.PhoneNumber != nil {
		status.PhoneNumberID = channel.PhoneNumber.ID
	}
	status.Held = channel.Delivery == config.Held
	if r := s.running.Load(); r != nil {
		status.SendingError = cmp.Or(r.outbox.StoppedReason(conversation.Graph), r.outbox.StoppedReason(conversation.Media))
		status.Helpdesk = r.desk.Status()
	}
	if durability := s.durability.Load(); durability != nil {
		status.Durable, status.DurableReason = &durability.Durable, durability.Reason
	}
	if foreign := s.foreign.Load(); foreign != nil {
		status.SendingError = *foreign
	}
	return status, nil
}

// unready says why webhooks cannot be taken at present; empty if they can.
func (s *Server) unready() string {
	switch r := s.running.Load(); {
	case s.channel.Snapshot() == nil:
		return "the configuration is not mounted, or not valid; the log says why"
	case r == nil:
		return "the store is not open, perhaps because another process still uses it, or the database cannot be reached; the log says why"
	case r.store.Err() != nil:
		return "the store failed"
	case s.pressure.unread.Load() >= maxUnread:
		return "the store does not answer, perhaps because the database cannot be reached; the log says why"
	case s.tls != nil && !s.tls.Loaded():
		return "there is no certificate"
	}
	return ""
}
