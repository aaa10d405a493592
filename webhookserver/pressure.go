package webhookserver

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// pressureInterval is how often it is looked whether there is room for more webhooks. What can come in between has to
// fit into what the limits leave.
const pressureInterval = 2 * time.Second

// Limits say when webhooks are turned away for Meta to send them again, which it does for seven days. Zero is no limit.
type Limits struct {
	// MinFreeDisk is how many bytes of the volume have to be free, on a small volume a tenth of it. Files of messages
	// leave twice as many.
	MinFreeDisk int64
	// MaxBacklog is how many webhooks may be stored and not processed.
	MaxBacklog int64
}

// minFree returns how many bytes of a volume of a size have to be free.
func (l Limits) minFree(total int64) int64 { return min(l.MinFreeDisk, total/10) }

// pressure is what there is too much of at present.
type pressure struct {
	lowDisk, backlogged atomic.Bool
	// refusal is why the store takes no writes though it can be read; nil if it takes them.
	refusal atomic.Pointer[string]
	// unread counts how often in a row the store could not be read.
	unread atomic.Int32
}

// maxUnread is how often in a row the store cannot be read until it counts as out of reach: a database that is restarted
// is back before.
const maxUnread = 3

// turnAway tells why webhooks are turned away before it is tried to store them, empty if they are not.
func (p *pressure) turnAway() edge.Result {
	switch {
	case p.lowDisk.Load():
		return edge.LowDisk
	case p.backlogged.Load():
		return edge.Backlogged
	}
	return ""
}

// reason tells people why webhooks are turned away, in a sentence; empty if they are not.
func (p *pressure) reason() string {
	if why := p.refusal.Load(); why != nil {
		return *why
	}
	switch p.turnAway() {
	case edge.LowDisk:
		return "The volume is nearly full. Enlarge its PersistentVolumeClaim, or let spec.receiver.storage.retentionDays remove what is old."
	case edge.Backlogged:
		return "Too many webhooks wait to be processed. What holds up the processing is in the receiver's log."
	}
	return ""
}

// A limit that was passed stays passed until there is a quarter of it to spare, so that webhooks are not taken and
// turned away by turns.

func leastFree(low bool, limit int64) int64 {
	if low {
		return limit + limit/4
	}
	return limit
}

func mostWaiting(backlogged bool, limit int64) int64 {
	if backlogged {
		return limit - limit/4
	}
	return limit
}

// watchPressure keeps current whether there is room for more webhooks.
func (s *Server) watchPressure(ctx context.Context, r *running) error {
	limits := s.options.Limits
	for {
		if limits.MinFreeDisk > 0 && r.space != nil {
			s.lookAtDisk(r.space, limits)
		}
		s.lookAtStore(ctx, r.store, limits.MaxBacklog)
		if !s.pause(ctx, pressureInterval) {
			return nil
		}
	}
}

func (s *Server) lookAtDisk(space func() (free, total int64, err error), limits Limits) {
	was := s.pressure.lowDisk.Load()
	free, total, err := space()
	if err != nil {
		s.log.Error("the free space of the volume is not known", "error", err)
		return
	}
	limit := limits.minFree(total)
	low := free < leastFree(was, limit)
	// What changes is said before it holds, so that whoever sees the change finds its line in the log.
	defer s.pressure.lowDisk.Store(low)
	switch {
	case low && !was:
		s.log.Error("the volume is nearly full, so webhooks are turned away and Meta keeps them; enlarge the volume, or let retentionDays remove what is old",
			"freeBytes", free, "limitBytes", limit)
	case was && !low:
		s.log.Info("the volume has room again; webhooks are taken", "freeBytes", free)
	}
}

// lookAtStore keeps current whether the store can be read and written, and whether too much waits in it.
func (s *Server) lookAtStore(ctx context.Context, opened store.Store, maxBacklog int64) {
	why, err := opened.Refusal(ctx)
	s.noteRefusal(why, err)
	if why != "" {
		err = nil
	} else if err == nil && maxBacklog > 0 {
		err = s.lookAtBacklog(ctx, opened, maxBacklog)
	}
	switch unread := s.pressure.unread.Load(); {
	case err == nil && unread >= maxUnread:
		s.log.Info("the store answers again")
	case err != nil && unread == maxUnread-1:
		s.log.Error("the store does not answer, so webhooks cannot be taken and Meta keeps them", "error", err)
	}
	if err != nil {
		s.pressure.unread.Add(1)
		return
	}
	s.pressure.unread.Store(0)
}

// noteRefusal notes why the store takes no writes. As long as it does not answer at all, nothing is known to have changed.
func (s *Server) noteRefusal(why string, err error) {
	was := s.pressure.refusal.Load()
	switch {
	case why != "":
		defer s.pressure.refusal.Store(&why)
		if was == nil || *was != why {
			s.log.Error("webhooks cannot be stored, and Meta keeps them", "reason", why, "error", err)
		}
	case err == nil && was != nil:
		defer s.pressure.refusal.Store(nil)
		s.log.Info("the database takes writes again; webhooks are taken")
	}
}

func (s *Server) lookAtBacklog(ctx context.Context, opened store.Store, limit int64) error {
	was := s.pressure.backlogged.Load()
	var backlogged bool
	if err := opened.View(ctx, func(tx *store.Tx) (err error) {
		backlogged, err = tx.BacklogAbove(mostWaiting(was, limit))
		return err
	}); err != nil {
		return err
	}
	defer s.pressure.backlogged.Store(backlogged)
	switch {
	case backlogged && !was:
		s.log.Error("too many webhooks wait to be processed, so more are turned away and Meta keeps them; the channel's conditions say what holds up the processing",
			"limit", limit)
	case was && !backlogged:
		s.log.Info("the backlog is worked off; webhooks are taken")
	}
	return nil
}
