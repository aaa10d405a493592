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
	// unread counts how often in a row the store could not be read.
	unread atomic.Int32
}

// maxUnread is how often in a row the store cannot be read until it counts as out of reach: a database that is restarted
// is back before.
const maxUnread = 3

// turnAway tells why webhooks are turned away, empty if they are not.
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
		if limits.MaxBacklog > 0 {
			s.lookAtBacklog(ctx, r.store, limits.MaxBacklog)
		}
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

func (s *Server) lookAtBacklog(ctx context.Context, opened store.Store, limit int64) {
	was := s.pressure.backlogged.Load()
	var backlogged bool
	if err := opened.View(ctx, func(tx *store.Tx) (err error) {
		backlogged, err = tx.BacklogAbove(mostWaiting(was, limit))
		return err
	}); err != nil {
		if s.pressure.unread.Load() == maxUnread-1 {
			s.log.Error("the store does not answer, so webhooks cannot be taken and Meta keeps them", "error", err)
		}
		s.pressure.unread.Add(1)
		return
	}
	if s.pressure.unread.Load() >= maxUnread {
		s.log.Info("the store answers again; webhooks are taken")
	}
	s.pressure.unread.Store(0)
	defer s.pressure.backlogged.Store(backlogged)
	switch {
	case backlogged && !was:
		s.log.Error("too many webhooks wait to be processed, so more are turned away and Meta keeps them; the channel's conditions say what holds up the processing",
			"limit", limit)
	case was && !backlogged:
		s.log.Info("the backlog is worked off; webhooks are taken")
	}
}
