package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// EffectState is how far an effect has got.
type EffectState int

// The states of effects. Those below EffectDone hold up the rest of their lane.
const (
	// EffectBlocked waits for an earlier effect of its lane.
	EffectBlocked EffectState = 0
	// EffectReady waits for its time.
	EffectReady EffectState = 1
	// EffectInFlight is being called.
	EffectInFlight EffectState = 2
	// EffectInDoubt may or may not have been carried out.
	EffectInDoubt EffectState = 3
	// EffectDone was carried out.
	EffectDone EffectState = 4
	// EffectGivenUp was not carried out, or perhaps was, and need not be: the ticket says so.
	EffectGivenUp EffectState = 5
	// EffectDead was given up and waits for a person.
	EffectDead EffectState = 6
)

// Effect is an effect and how far it has got.
type Effect struct {
	ID           int64
	Conversation string
	conversation.Effect
	State EffectState
	// Attempts counts the calls that were begun.
	Attempts int
	// Repeated tells that a call was made again without knowing what became of the one before.
	Repeated  bool
	CreatedAt time.Time
	// NextAt is when to look at it again. In flight, it is when the lease of the process that makes the call ends.
	NextAt time.Time
	// Claim counts the times that a process took the effect. Only the latest may note how it went.
	Claim int64
	// CalledAt is when the latest call was begun.
	CalledAt time.Time
	// RemoteID is what the destination calls the result: a wamid, a ticket's ID.
	RemoteID string
	// Error is what the latest attempt ended with, without content.
	Error string
}

const effectColumns = `id, conversation, key, body, state, attempts, repeated, created_at, next_at, called_at, remote_id, error, claim`

func scanEffect(scan func(...any) error) (Effect, error) {
	var (
		e                     Effect
		key                   string
		body                  []byte
		repeated              int
		created, next, called int64
	)
	if err := scan(&e.ID, &e.Conversation, &key, &body, &e.State, &e.Attempts, &repeated, &created, &next, &called, &e.RemoteID, &e.Error, &e.Claim); err != nil {
		return e, err
	}
	if err := json.Unmarshal(body, &e.Effect); err != nil {
		return e, fmt.Errorf("read an effect: %w", err)
	}
	e.Key, e.Repeated = key, repeated != 0
	e.CreatedAt, e.NextAt, e.CalledAt = fromMillis(created), fromMillis(next), fromMillis(called)
	return e, nil
}

// lane is the condition that holds up an effect: an earlier one of its lane that is not finished, or a ticket that
// could not be opened, without which there is nothing to add articles to.
const lane = `conversation = ? AND destination = ? AND (state < 4 OR (state = 6 AND kind = 'open-ticket'))`

// AddEffects queues effects in their order. An effect whose key is known already is left out.
func (tx *Tx) AddEffects(conversationID string, effects []conversation.Effect, now time.Time) error {
	for _, e := range effects {
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		destination := string(e.Kind.Destination())
		if err := tx.put(`INSERT INTO effect (key, conversation, destination, kind, body, created_at, next_at, state)
			VALUES (?, ?, ?, ?, ?, ?, ?, CASE WHEN EXISTS (SELECT 1 FROM effect WHERE `+lane+`) THEN 0 ELSE 1 END) ON CONFLICT (key) DO NOTHING`,
			e.Key, conversationID, destination, string(e.Kind), body, millis(now), millis(now), conversationID, destination); err != nil {
			return err
		}
	}
	return nil
}

// Effect returns an effect by its ID.
func (tx *Tx) Effect(id int64) (Effect, bool, error) { return tx.effect(`id = ?`, id) }

// EffectByKey returns an effect by its key.
func (tx *Tx) EffectByKey(key string) (Effect, bool, error) {
	if key == "" {
		return Effect{}, false, nil
	}
	return tx.effect(`key = ?`, key)
}

// EffectByRemoteID returns the effect that sent a message.
func (tx *Tx) EffectByRemoteID(id string) (Effect, bool, error) {
	return tx.effect(`remote_id = ? AND remote_id <> '' AND destination = 'graph'`, id)
}

func (tx *Tx) effect(where string, args ...any) (Effect, bool, error) {
	list, err := rows(tx, scanEffect, `SELECT `+effectColumns+` FROM effect WHERE `+where+` LIMIT 1`, args...)
	if err != nil || len(list) == 0 {
		return Effect{}, false, err
	}
	return list[0], true, nil
}

// DueEffects returns effects whose time has come, ready or in doubt, of the destinations.
func (tx *Tx) DueEffects(now time.Time, limit int, destinations ...conversation.Destination) ([]Effect, error) {
	if len(destinations) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(destinations)+2)
	for _, d := range destinations {
		args = append(args, string(d))
	}
	return rows(tx, scanEffect, `SELECT `+effectColumns+` FROM effect WHERE `+unfinished+` AND destination IN (?`+strings.Repeat(", ?", len(destinations)-1)+`)
		AND state <> 2 AND next_at <= ? ORDER BY next_at, id LIMIT ?`, append(args, millis(now), limit)...)
}

// NextDue returns when the next effect of the destinations becomes due, or loses the process that makes its call; zero
// if none will.
func (tx *Tx) NextDue(destinations ...conversation.Destination) (next time.Time, err error) {
	for _, d := range destinations {
		// One at a time, each is the first entry of an index.
		var at *int64
		if _, err := tx.row(`SELECT min(next_at) FROM effect WHERE `+unfinished+` AND destination = ?`, []any{string(d)}, &at); err != nil {
			return time.Time{}, err
		}
		if at != nil && (next.IsZero() || *at < next.UnixMilli()) {
			next = time.UnixMilli(*at).UTC()
		}
	}
	return next, nil
}

// unfinished is the condition of what is not finished and not blocked, written as the index has it.
const unfinished = `state IN (1, 2, 3)`

// BeginCall claims an effect for a call and returns it as claimed. If the process dies before it notes the call's end,
// the effect is found in flight when the lease has ended, and known to be in doubt.
func (tx *Tx) BeginCall(e Effect, now, leaseEnds time.Time) (Effect, error) {
	e.State, e.Attempts, e.CalledAt, e.NextAt = EffectInFlight, e.Attempts+1, now, leaseEnds
	return tx.claim(e, `state = 2, attempts = attempts + 1, called_at = ?`, millis(now))
}

// BeginLook claims an effect in doubt for finding out what became of it, and returns it as claimed. Nobody else looks
// before the lease has ended.
func (tx *Tx) BeginLook(e Effect, leaseEnds time.Time) (Effect, error) {
	e.NextAt = leaseEnds
	return tx.claim(e, `state = 3`)
}

func (tx *Tx) claim(e Effect, set string, args ...any) (Effect, error) {
	err := tx.must(tx.exec(`UPDATE effect SET `+set+`, next_at = ?, claim = claim + 1 WHERE id = ? AND claim = ? AND state IN (1, 3)`,
		append(args, millis(e.NextAt), e.ID, e.Claim)...))
	e.Claim++
	return e, err
}

// endLeases ends the leases of all calls, and of all looks at what became of one, because those who made them are known
// to be gone.
func (tx *Tx) endLeases() error {
	return tx.put(`UPDATE effect SET next_at = 0 WHERE state IN (2, 3)`)
}

// HoldEffect keeps an effect in doubt from being looked at until a time. A look that failed counts as an attempt.
func (tx *Tx) HoldEffect(e Effect, until time.Time, failed bool) error {
	count := 0
	if failed {
		count = 1
	}
	return tx.must(tx.exec(`UPDATE effect SET next_at = ?, attempts = attempts + ? WHERE id = ? AND claim = ? AND state = 3`,
		millis(until), count, e.ID, e.Claim))
}

// Postpone makes an effect ready again at a later time. A call that was no attempt, such as one refused for a dead
// token, is not counted.
func (tx *Tx) Postpone(e Effect, until time.Time, why string, counts bool) error {
	uncount := 1
	if counts {
		uncount = 0
	}
	return tx.must(tx.exec(`UPDATE effect SET state = 1, next_at = ?, error = ?, attempts = attempts - ? WHERE id = ? AND claim = ? AND state IN (2, 3)`,
		millis(until), why, uncount, e.ID, e.Claim))
}

// Doubt marks an effect of which it is not known whether it was carried out, to be looked at at a time.
func (tx *Tx) Doubt(e Effect, lookAt time.Time, why string) error {
	return tx.must(tx.exec(`UPDATE effect SET state = 3, next_at = ?, error = ? WHERE id = ? AND claim = ? AND state IN (2, 3)`,
		millis(lookAt), why, e.ID, e.Claim))
}

// RepeatEffect makes an effect in doubt ready to be called again, and notes that.
func (tx *Tx) RepeatEffect(e Effect, now time.Time) error {
	return tx.must(tx.exec(`UPDATE effect SET state = 1, next_at = ?, repeated = 1 WHERE id = ? AND claim = ? AND state = 3`, millis(now), e.ID, e.Claim))
}

// FinishEffect ends an effect as done, given up or dead, and lets the next of its lane go. It reports whether the
// effect was not finished before, nor claimed by somebody else.
func (tx *Tx) FinishEffect(e Effect, state EffectState, remoteID, why string, now time.Time) (bool, error) {
	changed, err := tx.exec(`UPDATE effect SET state = ?, remote_id = CASE WHEN ? = '' THEN remote_id ELSE ? END, error = ?, finished_at = ?
		WHERE id = ? AND claim = ? AND state < 4`, int(state), remoteID, remoteID, why, millis(now), e.ID, e.Claim)
	if err != nil || changed == 0 {
		return false, err
	}
	return true, tx.promote(e.Conversation, e.Kind.Destination(), now)
}

// ConfirmEffect ends an effect as done because there is proof that it was carried out, even if it was given up before,
// and lets the next of its lane go. A proof counts whoever has the effect claimed.
func (tx *Tx) ConfirmEffect(e Effect, remoteID string, now time.Time) error {
	changed, err := tx.exec(`UPDATE effect SET state = 4, remote_id = ?, error = '', finished_at = ? WHERE id = ? AND state <> 4`,
		remoteID, millis(now), e.ID)
	if err != nil || changed == 0 {
		return err
	}
	return tx.promote(e.Conversation, e.Kind.Destination(), now)
}

func (tx *Tx) promote(conversationID string, destination conversation.Destination, now time.Time) error {
	return tx.put(`UPDATE effect SET state = 1, next_at = ? WHERE id = (
			SELECT min(id) FROM effect WHERE conversation = ? AND destination = ? AND state = 0)
		AND NOT EXISTS (SELECT 1 FROM effect WHERE `+lane+` AND state <> 0)`,
		millis(now), conversationID, string(destination), conversationID, string(destination))
}

// DoubtInFlight puts the effects in doubt whose call was interrupted, which is known when the lease has ended, and
// returns how many there were. Those of the helpdesk are looked at at once; what was sent to customers is looked at
// wait after the call, which gives a status the time to come. The calls that are still being made are told by their
// effects' IDs: a clock that was set forward ends no lease of a process that is alive.
func (tx *Tx) DoubtInFlight(now time.Time, wait time.Duration, made ...int64) (int64, error) {
	where, args := `state = 2 AND next_at <= ?`, []any{wait.Milliseconds(), millis(now), millis(now)}
	if len(made) > 0 {
		where += ` AND id NOT IN (?` + strings.Repeat(", ?", len(made)-1) + `)`
		for _, id := range made {
			args = append(args, id)
		}
	}
	return tx.exec(`UPDATE effect SET state = 3, claim = claim + 1, error = 'interrupted',
		next_at = CASE WHEN destination = 'graph' THEN called_at + ? ELSE ? END WHERE `+where, args...)
}

// Wait lets an effect that is ready be looked at again at a later time.
func (tx *Tx) Wait(e Effect, until time.Time) error {
	return tx.must(tx.exec(`UPDATE effect SET next_at = ? WHERE id = ? AND claim = ? AND state = 1`, millis(until), e.ID, e.Claim))
}

// DeadLetters returns the effects that were given up and wait for a person, with an ID above after, oldest first.
func (tx *Tx) DeadLetters(after int64, limit int) ([]Effect, error) {
	return rows(tx, scanEffect, `SELECT `+effectColumns+` FROM effect WHERE state = 6 AND id > ? ORDER BY id LIMIT ?`, after, limit)
}

// Replay makes a dead letter ready again, in its old place in the lane, and reports whether there was one.
func (tx *Tx) Replay(id int64, now time.Time) (bool, error) {
	e, found, err := tx.effect(`id = ? AND state = 6`, id)
	if err != nil || !found {
		return false, err
	}
	if err := tx.put(`UPDATE effect SET state = 0, attempts = 0, repeated = 0, finished_at = 0 WHERE id = ?`, id); err != nil {
		return false, err
	}
	return true, tx.promote(e.Conversation, e.Kind.Destination(), now)
}

func (tx *Tx) must(changed int64, err error) error {
	if err == nil && changed != 1 {
		return ErrSettled
	}
	return err
}

// ErrSettled means that an effect is no longer in the state that a change presumes: something else, such as a status
// that came in, settled it first, or another process claimed it after the lease had ended.
var ErrSettled = errors.New("the effect was settled otherwise")
