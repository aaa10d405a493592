package store

import "time"

// metaTimers names what the timers of conversations were last set by.
const metaTimers = "timers-set-by"

// DueWakes returns the IDs of conversations that want to be woken by now, the most overdue first.
func (tx *Tx) DueWakes(now time.Time, limit int) ([]string, error) {
	return rows(tx, value[string], `SELECT id FROM conversation WHERE next_wake_at <> 0 AND next_wake_at <= ? ORDER BY next_wake_at LIMIT ?`, millis(now), limit)
}

// NextWake returns when the next conversation wants to be woken; zero if none does.
func (tx *Tx) NextWake() (time.Time, error) {
	var at *int64
	if _, err := tx.row(`SELECT min(next_wake_at) FROM conversation WHERE next_wake_at <> 0`, nil, &at); err != nil || at == nil {
		return time.Time{}, err
	}
	return fromMillis(*at), nil
}

// DropWake lets a conversation sleep until its state is saved again.
func (tx *Tx) DropWake(id string) error {
	return tx.put(`UPDATE conversation SET next_wake_at = 0 WHERE id = ?`, id)
}

// ResetWakes wakes all conversations that wait for something, if the timers were set by other settings than these.
func (tx *Tx) ResetWakes(settings string, now time.Time) error {
	had, err := tx.Meta(metaTimers)
	if err != nil || had == settings {
		return err
	}
	if err := tx.put(`UPDATE conversation SET next_wake_at = ? WHERE next_wake_at > ?`, millis(now), millis(now)); err != nil {
		return err
	}
	return tx.SetMeta(metaTimers, settings)
}
