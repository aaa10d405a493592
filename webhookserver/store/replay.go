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
