package store

import "time"

// QuarantinedByID returns what is in quarantine under an ID, and whether there is something.
func (tx *Tx) QuarantinedByID(id int64) (Quarantined, bool, error) {
	list, err := tx.Quarantined(id-1, 1)
	if err != nil || len(list) == 0 || list[0].ID != id {
		return Quarantined{}, false, err
	}
	return list[0], true, nil
}

// Release takes something out of quarantine, and reports whether it was there.
func (tx *Tx) Release(id int64) (bool, error) {
	removed, err := tx.exec(`DELETE FROM quarantine WHERE id = ?`, id)
	return removed == 1, err
}

// Requeue puts a webhook into the inbox, as if it had just come.
func (tx *Tx) Requeue(body []byte, now time.Time) error {
	return tx.put(insertInbox, millis(now), notNull(body))
}

// KeptStatus is a status of a message that no effect is known to have sent.
type KeptStatus struct {
	WAMID      string
	Status     string
	ReceivedAt time.Time
	Body       []byte
}

// KeptStatuses returns the statuses of messages that no effect is known to have sent, newest first: those that came
// before the answer to the call that sent the message, and those of messages that other programs sent.
func (tx *Tx) KeptStatuses(limit int) ([]KeptStatus, error) {
	return rows(tx, func(scan func(...any) error) (KeptStatus, error) {
		var (
			s  KeptStatus
			at int64
		)
		err := scan(&s.WAMID, &s.Status, &at, &s.Body)
		s.ReceivedAt = fromMillis(at)
		return s, err
	}, `SELECT wamid, status, received_at, body FROM status ORDER BY received_at DESC, wamid LIMIT ?`, limit)
}
