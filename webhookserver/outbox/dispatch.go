package outbox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// job is an effect that was taken, with its conversation.
type job struct {
	effect store.Effect
	state  conversation.State
	// configuration is that under which the call is made.
	configuration int
}

// dispatch begins the calls that are due and returns when the next will be.
func (o *Outbox) dispatch(ctx context.Context) (next time.Time, err error) {
	room, resume := o.room()
	var destinations []conversation.Destination
	for d := range room {
		destinations = append(destinations, d)
	}
	if next, err = o.nextDue(ctx, destinations); err != nil || next.IsZero() || next.After(o.Clock.Now()) {
		return earliest(next, resume), err
	}
	var (
		jobs        []job
		interrupted int64
	)
	o.taking.Store(true)
	defer o.taking.Store(false)
	if err := o.Store.Update(ctx, func(tx *store.Tx) (err error) {
		jobs = jobs[:0]
		// A destination may have been stopped since, and what was queued after that must not be taken.
		room, _ := o.room()
		if interrupted, err = tx.DoubtInFlight(o.Clock.Now(), statusWait, o.made()...); err != nil {
			return err
		}
		for d, limit := range room {
			taken, err := o.take(tx, d, limit)
			if err != nil {
				return err
			}
			jobs = append(jobs, taken...)
		}
		return nil
	}); err != nil {
		return time.Time{}, err
	}
	if interrupted > 0 {
		o.Log.Info("calls were interrupted; looking what became of them", "calls", interrupted)
	}
	for _, j := range jobs {
		o.start(ctx, j)
	}
	// Something may have been settled in the taking, or there was more than room for.
	if room, _ = o.room(); len(room) == 0 {
		return resume, nil
	}
	destinations = destinations[:0]
	for d := range room {
		destinations = append(destinations, d)
	}
	next, err = o.nextDue(ctx, destinations)
	return earliest(next, resume), err
}

func (o *Outbox) nextDue(ctx context.Context, destinations []conversation.Destination) (next time.Time, err error) {
	err = o.Store.View(ctx, func(tx *store.Tx) error {
		next, err = tx.NextDue(destinations...)
		return err
	})
	return next, err
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// room returns how many calls each destination can take, and when the first of those that take none may be tried
// again.
func (o *Outbox) room() (room map[conversation.Destination]int, resume time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room = map[conversation.Destination]int{}
	held := o.Held != nil && o.Held()
	now := o.Clock.Now()
	for d := range o.Callers {
		// WhatsApp keeps files for days only, so they are fetched while all else is held.
		if held && d != conversation.Media {
			continue
		}
		if r := o.resting[d]; !r.over(now) {
			resume = earliest(resume, r.until)
			continue
		}
		free := concurrency - len(o.busy[d])
		if s, stopped := o.stopped[d]; stopped {
			if s.until.IsZero() || now.Before(s.until) {
				resume = earliest(resume, s.until)
				continue
			}
			// One call finds out whether the others can go.
			free = 1 - len(o.busy[d])
		}
		if free > 0 {
			room[d] = free
		}
	}
	return room, resume
}

// made returns the effects whose calls are being made.
func (o *Outbox) made() (ids []int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, effects := range o.busy {
		ids = slices.AppendSeq(ids, maps.Keys(effects))
	}
	return ids
}

// rest leaves a destination alone until a time, and for longer where that was asked for already.
func (o *Outbox) rest(d conversation.Destination, now, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.resting[d]; !r.over(now) && r.until.After(until) {
		return
	}
	o.resting[d] = rest{until: until, lasts: until.Sub(now)}
}

// take marks due effects as being called, or looked at, and returns them. Replies that have become too late are
// ended here.
func (o *Outbox) take(tx *store.Tx, d conversation.Destination, limit int) ([]job, error) {
	now := o.Clock.Now()
	if d == conversation.Graph {
		if o.Throughput != nil {
			o.pace.limit(o.Throughput())
		}
		if sends, err := o.sends(tx, now); err != nil || !sends {
			return nil, err
		}
	}
	local := o.local(tx, d)
	if local != nil {
		limit = localBatch
	}
	due, err := tx.DueEffects(now, limit, d)
	if err != nil {
		return nil, err
	}
	if local != nil {
		if due, err = o.settleWithin(tx, local, due); err != nil {
			return nil, err
		}
	}
	var jobs []job
	for _, e := range due {
		taken, j, err := o.takeOne(tx, e, now)
		if err != nil {
			return nil, err
		}
		if taken {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// sends tells whether this process is the one that sends, where several have the store open.
func (o *Outbox) sends(tx *store.Tx, now time.Time) (bool, error) {
	if o.Store.Poll() == 0 {
		return true, nil
	}
	ends, held, err := tx.Lease(sender, o.name, now, senderLease)
	if err == nil && !held {
		o.rest(conversation.Graph, now, ends)
	}
	return held, err
}

// takeOne takes one effect, unless it has to wait or was ended.
func (o *Outbox) takeOne(tx *store.Tx, e store.Effect, now time.Time) (taken bool, j job, err error) {
	state, err := engine.Load(tx, e.Conversation)
	if err != nil {
		return false, j, err
	}
	unheard := o.unheard(e)
	switch {
	case e.State == store.EffectInDoubt && unheard > 0:
		return false, j, tx.HoldEffect(e, now.Add(unheard), false)
	case e.State == store.EffectInDoubt:
		e, err = tx.BeginLook(e, now.Add(leaseOf(e)))
		return true, job{effect: e, state: state}, err
	case e.Kind.Destination() == conversation.Graph && !state.MaySend(now):
		return false, j, finish(tx, e, store.EffectGivenUp, conversation.Refused, conversation.WindowClosed(state.WindowEnds()), now)
	case e.SendText != nil && state.Outdated(*e.SendText, now) != "":
		return false, j, finish(tx, e, store.EffectGivenUp, conversation.Refused, state.Outdated(*e.SendText, now), now)
	}
	if e.SendText != nil {
		if at, number := o.pace.admit(e.Conversation, now); number {
			o.rest(conversation.Graph, now, at)
			return false, j, nil
		} else if at.After(now) {
			return false, j, tx.Wait(e, at)
		}
	}
	e, err = tx.BeginCall(e, now, now.Add(leaseOf(e)))
	return true, job{effect: e, state: state}, err
}

// unheard returns for how long a status of a message in doubt may still come. It is measured here, because the clock may
// have been set since, and from when this process began at the earliest, because while none ran no status could come.
func (o *Outbox) unheard(e store.Effect) time.Duration {
	if e.SendText == nil {
		return 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	since, here := o.doubted[e.ID]
	if !here {
		since = o.began
	}
	return since + statusWait - o.Clock.Elapsed()
}

// unsettled returns for how long an effect in doubt may still be carried out by its destination. Where the call was made
// by a process that is gone, it may have been made just before this one began, and where another made it, at the last
// moment that it had for it.
func (o *Outbox) unsettled(caller Caller, e store.Effect, now time.Time) time.Duration {
	settling, ok := caller.(Settling)
	if !ok || settling.Settles(e) == 0 {
		return 0
	}
	settles := settling.Settles(e)
	o.mu.Lock()
	defer o.mu.Unlock()
	if since, here := o.doubted[e.ID]; here {
		return since + settles - o.Clock.Elapsed()
	}
	// The clock may have been set since, and then says too much.
	elsewhere := min(e.CalledAt.Add(timeoutOf(e)+settles).Sub(now), timeoutOf(e)+settles)
	return max(o.began+settles-o.Clock.Elapsed(), elsewhere)
}

// deaf notes that no status could come until now, because webhooks are turned away while the database is away.
func (o *Outbox) deaf() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.began = o.Clock.Elapsed()
	clear(o.doubted)
}

// doubt notes that an effect is in doubt from now on. Those that waited long enough are forgotten: without a note, they
// have.
func (o *Outbox) doubt(e store.Effect) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.Clock.Elapsed()
	maps.DeleteFunc(o.doubted, func(_ int64, since time.Duration) bool { return now-since > statusWait })
	o.doubted[e.ID] = now
}

// transfers tells the effects whose calls move files.
func transfers(e store.Effect) bool {
	return e.FetchMedia != nil || e.UploadMedia != nil || e.SetAttachment != nil ||
		(e.OpenTicket != nil && len(e.OpenTicket.Article.Attachments) > 0) || (e.AddArticle != nil && len(e.AddArticle.Attachments) > 0)
}

func timeoutOf(e store.Effect) time.Duration {
	if transfers(e) {
		return transferTimeout
	}
	return callTimeout
}

func leaseOf(e store.Effect) time.Duration {
	if transfers(e) {
		return transferLease
	}
	return lease
}

func (o *Outbox) start(ctx context.Context, j job) {
	d := j.effect.Kind.Destination()
	o.mu.Lock()
	if o.busy[d] == nil {
		o.busy[d] = map[int64]int{}
	}
	o.busy[d][j.effect.ID]++
	j.configuration = o.configuration
	o.mu.Unlock()
	o.running.Go(func() {
		// A call that was begun is finished, so that a shutdown leaves nothing in doubt.
		callCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeoutOf(j.effect))
		defer cancel()
		var end ending
		if j.effect.State == store.EffectInDoubt {
			end = o.look(callCtx, j)
		} else {
			end = o.call(callCtx, j)
		}
		if err := o.note(ctx, end); err != nil && !errors.Is(err, store.ErrSettled) && o.Store.Err() == nil {
			o.Log.Error("the end of a call could not be noted; it is looked at again", "kind", j.effect.Kind, "error", err)
		}
		o.mu.Lock()
		if o.busy[d][j.effect.ID]--; o.busy[d][j.effect.ID] == 0 {
			delete(o.busy[d], j.effect.ID)
		}
		o.mu.Unlock()
		o.Wake()
	})
}
