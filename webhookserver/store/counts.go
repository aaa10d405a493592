package store

import "time"

// Counts is how much of what the store holds.
type Counts struct {
	// Backlog counts webhooks that are not processed yet.
	Backlog int64
	// Quarantined counts what is in quarantine, by reason.
	Quarantined map[QuarantineReason]int64
	// Effects counts the effects that are not finished, and the dead ones, by state.
	Effects map[EffectState]int64
	// LastMessageAt is when a customer's message was last taken up.
	LastMessageAt time.Time
	// LastHandshakeAt is the latest handshake that was noted.
	LastHandshakeAt time.Time
}

// Counts returns how much of what the store holds.
func (tx *Tx) Counts() (Counts, error) {
	c := Counts{Quarantined: map[QuarantineReason]int64{}, Effects: map[EffectState]int64{}}
	var last *int64
	if _, err := tx.row(`SELECT count(*) FROM inbox`, nil, &c.Backlog); err != nil {
		return c, err
	}
	if _, err := tx.row(`SELECT max(received_at) FROM message`, nil, &last); err != nil {
		return c, err
	}
	if last != nil {
		c.LastMessageAt = fromMillis(*last)
	}
	var err error
	if c.LastHandshakeAt, err = tx.LastHandshake(); err != nil {
		return c, err
	}
	if err := tally(tx, c.Quarantined, `SELECT reason, count(*) FROM quarantine GROUP BY reason`); err != nil {
		return c, err
	}
	return c, tally(tx, c.Effects, `SELECT state, count(*) FROM effect WHERE state < 4 GROUP BY state UNION ALL SELECT state, count(*) FROM effect WHERE state = 6 GROUP BY state`)
}

// BacklogAbove tells whether more than so many webhooks are not processed yet. It counts only where that may be.
func (tx *Tx) BacklogAbove(most int64) (bool, error) {
	var span *int64
	if _, err := tx.row(`SELECT (SELECT max(seq) FROM inbox) - (SELECT min(seq) FROM inbox)`, nil, &span); err != nil {
		return false, err
	}
	if span == nil || *span < most {
		return false, nil
	}
	var n int64
	_, err := tx.row(`SELECT count(*) FROM (SELECT 1 FROM inbox LIMIT ?) AS counted`, []any{most + 1}, &n)
	return n > most, err
}

// tally reads rows of a key and a count.
func tally[K comparable](tx *Tx, into map[K]int64, query string) error {
	type count struct {
		of K
		n  int64
	}
	counts, err := rows(tx, func(scan func(...any) error) (count, error) {
		var k count
		err := scan(&k.of, &k.n)
		return k, err
	}, query)
	for _, k := range counts {
		into[k.of] = k.n
	}
	return err
}
