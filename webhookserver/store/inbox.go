package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// insertInbox is the statement of the acknowledgement path.
const insertInbox = `INSERT INTO inbox (received_at, body) VALUES (?, ?)`

// InboxRow is a webhook that waits to be processed.
type InboxRow struct {
	Seq int64
	Webhook
}

// NextInbox returns the oldest webhooks, in the order in which they were stored: at most limit of them, and no more than
// have a number of bytes together, but one at least.
func (tx *Tx) NextInbox(limit, bytes int) ([]InboxRow, error) {
	fit, err := tx.fitting(bytes, `SELECT length(body) FROM inbox ORDER BY seq LIMIT ?`, limit)
	if err != nil || fit == 0 {
		return nil, err
	}
	return rows(tx, func(scan func(...any) error) (InboxRow, error) {
		var (
			row InboxRow
			at  int64
		)
		err := scan(&row.Seq, &at, &row.Body)
		row.ReceivedAt = fromMillis(at)
		return row, err
	}, `SELECT seq, received_at, body FROM inbox ORDER BY seq LIMIT ?`, fit)
}

// fitting returns how many of the bodies whose sizes a query asks for fit into so many bytes together: the first in any case.
func (tx *Tx) fitting(bytes int, query string, args ...any) (fit int, err error) {
	sizes, err := rows(tx, value[int], query, args...)
	for fit < len(sizes) && (fit == 0 || sizes[fit] <= bytes) {
		bytes -= sizes[fit]
		fit++
	}
	return fit, err
}

// Unprocessed returns which webhooks are still there, from one to another.
func (tx *Tx) Unprocessed(from, to int64) ([]int64, error) {
	return rows(tx, value[int64], `SELECT seq FROM inbox WHERE seq BETWEEN ? AND ? ORDER BY seq`, from, to)
}

// removeAtOnce is how many webhooks one statement removes. What is left over is removed one by one.
const removeAtOnce = 16

var removeInboxAtOnce = `DELETE FROM inbox WHERE seq IN (?` + strings.Repeat(`, ?`, removeAtOnce-1) + `)`

// RemoveInbox removes webhooks that were processed.
func (tx *Tx) RemoveInbox(processed ...int64) error {
	args := make([]any, len(processed))
	for i, seq := range processed {
		args[i] = seq
	}
	for ; len(args) >= removeAtOnce; args = args[removeAtOnce:] {
		if err := tx.put(removeInboxAtOnce, args[:removeAtOnce]...); err != nil {
			return err
		}
	}
	for _, seq := range args {
		if err := tx.put(`DELETE FROM inbox WHERE seq = ?`, seq); err != nil {
			return err
		}
	}
	return nil
}

// QuarantineReason says why a webhook, or a part of one, could not be processed.
type QuarantineReason string

// The reasons for quarantine.
const (
	// NotUnderstood: it is not what Meta documents.
	NotUnderstood QuarantineReason = "not-understood"
	// OtherNumber: it is for a phone number, or an account, that is not the channel's.
	OtherNumber QuarantineReason = "other-number"
	// Contradictory: it has the ID of a message that was received before, but is another message.
	Contradictory QuarantineReason = "contradictory"
)

// Quarantined is a webhook, or a part of one, that waits for a person.
type Quarantined struct {
	ID         int64
	ReceivedAt time.Time
	Reason     QuarantineReason
	// Detail says more, without quoting the body.
	Detail string
	// Body is as received. It holds customers' data.
	Body []byte
}

// Quarantine keeps what could not be processed. What is in quarantine already is not put there again.
func (tx *Tx) Quarantine(q Quarantined) error {
	return tx.put(`INSERT INTO quarantine (received_at, reason, detail, body, digest) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		millis(q.ReceivedAt), string(q.Reason), q.Detail, notNull(q.Body), digest(string(q.Reason), string(q.Body)))
}

// listedBytes bounds the bodies that Quarantined and Records return together. A person looks at them, while webhooks are taken
// within little memory.
const listedBytes = 4 << 20

// Quarantined returns what is in quarantine with an ID above after, oldest first: at most limit items, and fewer where their
// bodies are large. There are no more only where none is returned.
func (tx *Tx) Quarantined(after int64, limit int) ([]Quarantined, error) {
	fit, err := tx.fitting(listedBytes, `SELECT length(body) FROM quarantine WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
	if err != nil || fit == 0 {
		return nil, err
	}
	return rows(tx, func(scan func(...any) error) (Quarantined, error) {
		var (
			q  Quarantined
			at int64
		)
		err := scan(&q.ID, &at, &q.Reason, &q.Detail, &q.Body)
		q.ReceivedAt = fromMillis(at)
		return q, err
	}, `SELECT id, received_at, reason, detail, body FROM quarantine WHERE id > ? ORDER BY id LIMIT ?`, after, fit)
}

// Record is a webhook that is about no conversation.
type Record struct {
	ID         int64
	ReceivedAt time.Time
	// Field is the webhook field, or what else it is.
	Field string
	Body  []byte
	// Occasion tells it from others with the same body, such as the same news at another time. Records that have an
	// occasion are kept once, because Meta repeats webhooks.
	Occasion string
}

// AddRecord keeps a webhook that is about no conversation.
func (tx *Tx) AddRecord(r Record) error {
	var once string
	if r.Occasion != "" {
		once = digest(r.Occasion, r.Field, string(r.Body))
	}
	return tx.put(`INSERT INTO record (received_at, field, body, digest) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		millis(r.ReceivedAt), r.Field, notNull(r.Body), once)
}

// digest is the same for the same parts and for no others.
func digest(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		// A hash never fails.
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Records returns the records with an ID above after, oldest first: at most limit, and fewer where their bodies are large. There
// are no more only where none is returned.
func (tx *Tx) Records(after int64, limit int) ([]Record, error) {
	fit, err := tx.fitting(listedBytes, `SELECT length(body) FROM record WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
	if err != nil || fit == 0 {
		return nil, err
	}
	return rows(tx, func(scan func(...any) error) (Record, error) {
		var (
			r  Record
			at int64
		)
		err := scan(&r.ID, &at, &r.Field, &r.Body)
		r.ReceivedAt = fromMillis(at)
		return r, err
	}, `SELECT id, received_at, field, body FROM record WHERE id > ? ORDER BY id LIMIT ?`, after, fit)
}

func notNull(body []byte) []byte {
	if body == nil {
		return []byte{}
	}
	return body
}
