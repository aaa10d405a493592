package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// querier runs SQL of the kind that all engines understand. Placeholders are question marks; an engine that writes
// them otherwise rebinds them.
type querier interface {
	// exec returns how many rows were changed.
	exec(ctx context.Context, query string, args ...any) (int64, error)
	query(ctx context.Context, query string, args ...any) (cursor, error)
	// later runs a statement of which nobody wants to know how many rows it changed: at once, or together with the
	// next statement, or with the end of the transaction. What it fails with may be told there.
	later(ctx context.Context, query string, args ...any) error
	// flush runs what waits for a next statement.
	flush(ctx context.Context) error
}

// cursor walks over the rows of a query.
type cursor interface {
	Next() bool
	Scan(into ...any) error
	Err() error
	Close() error
}

// Tx is a transaction. It is valid only inside the function that it was passed to, and not for concurrent use.
type Tx struct {
	ctx context.Context //nolint:containedctx // A transaction lives as long as the call that the context is of.
	q   querier
	// holdsUp, if set, returns how long the transaction has held up others; zero if none wait for it.
	holdsUp func() time.Duration
}

// Overdue tells that webhooks wait to be acknowledged until this transaction has ended, and that it has taken longer
// than patience: what can be done in another transaction should be.
func (tx *Tx) Overdue(patience time.Duration) bool {
	return tx.holdsUp != nil && tx.holdsUp() > patience
}

func (tx *Tx) exec(query string, args ...any) (int64, error) {
	return tx.q.exec(tx.ctx, query, args...)
}

// put is exec for what is only written.
func (tx *Tx) put(query string, args ...any) error {
	return tx.q.later(tx.ctx, query, args...)
}

// Try runs fn so that its failure takes back what it wrote, and nothing else of the transaction. The second error is
// the store's own, after which nothing can be done in the transaction.
func (tx *Tx) Try(fn func(*Tx) error) (failed, err error) {
	if _, err := tx.exec(`SAVEPOINT attempt`); err != nil {
		return nil, err
	}
	if failed = fn(tx); failed == nil {
		failed = tx.q.flush(tx.ctx)
	}
	if fatal(failed) {
		return failed, failed
	}
	if failed != nil {
		// What still waits is taken back with the rest, and may fail for the same reason.
		_ = tx.q.flush(tx.ctx)
		if _, err := tx.exec(`ROLLBACK TO attempt`); err != nil {
			return failed, errors.Join(err, failed)
		}
	}
	return failed, tx.put(`RELEASE attempt`)
}

// Data is what can be read and written in transactions.
type Data interface {
	Update(ctx context.Context, fn func(*Tx) error) error
	View(ctx context.Context, fn func(*Tx) error) error
}

// Data returns the transaction as something that can be read and written: all of it is part of the transaction.
func (tx *Tx) Data() Data { return inside{tx} }

type inside struct{ tx *Tx }

func (i inside) Update(_ context.Context, fn func(*Tx) error) error { return fn(i.tx) }

func (i inside) View(_ context.Context, fn func(*Tx) error) error { return fn(i.tx) }

// row scans the only row of a query, and reports whether there was one.
func (tx *Tx) row(query string, args []any, into ...any) (bool, error) {
	rows, err := tx.q.query(tx.ctx, query, args...)
	if err != nil {
		return false, err
	}
	found := rows.Next()
	if found {
		err = rows.Scan(into...)
	}
	return found && err == nil, errors.Join(err, rows.Err(), rows.Close())
}

// value scans a row of one column.
func value[T any](scan func(...any) error) (v T, err error) {
	err = scan(&v)
	return v, err
}

// rows scans every row of a query with scan.
func rows[T any](tx *Tx, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	result, err := tx.q.query(tx.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	var list []T
	for result.Next() {
		item, err := scan(result.Scan)
		if err != nil {
			return nil, errors.Join(err, result.Close())
		}
		list = append(list, item)
	}
	return list, errors.Join(result.Err(), result.Close())
}

// Meta returns a value of the store itself, empty if there is none.
func (tx *Tx) Meta(name string) (string, error) {
	var value string
	_, err := tx.row(`SELECT value FROM meta WHERE name = ?`, []any{name}, &value)
	return value, err
}

// SetMeta sets a value of the store itself.
func (tx *Tx) SetMeta(name, value string) error {
	_, err := tx.exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// SwapMeta sets a value of the store itself if it is the one that is expected, empty for none, and reports whether it was.
func (tx *Tx) SwapMeta(name, expected, value string) (bool, error) {
	if expected == "" {
		added, err := tx.exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value = ''`, name, value)
		return added == 1, err
	}
	changed, err := tx.exec(`UPDATE meta SET value = ? WHERE name = ? AND value = ?`, value, name, expected)
	return changed == 1, err
}

// Names of Meta.
const (
	metaBusinessAccount = "business-account-id"
	metaPhoneNumber     = "phone-number-id"
	metaHandshake       = "last-handshake"
)

// LastHandshake returns when the latest handshake was that was noted.
func (tx *Tx) LastHandshake() (time.Time, error) {
	text, err := tx.Meta(metaHandshake)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	return fromMillis(ms), err
}

// NoteHandshake notes when a handshake was, unless a later one was noted.
func (tx *Tx) NoteHandshake(at time.Time) error {
	latest, err := tx.LastHandshake()
	if err != nil || !at.After(latest) {
		return err
	}
	return tx.SetMeta(metaHandshake, strconv.FormatInt(millis(at), 10))
}

// ErrForeign means that the store belongs to another channel.
var ErrForeign = errors.New("the store holds the data of another channel; give this channel a volume, or a PostgreSQL schema, of its own")

// Claim makes the store that of a business account and phone number, or fails with ErrForeign if it is that of
// others. The phone number ID may be empty as long as it is not known.
func (tx *Tx) Claim(businessAccountID, phoneNumberID string) error {
	for _, claim := range []struct{ name, what, value string }{
		{metaBusinessAccount, "WhatsApp Business Account", businessAccountID},
		{metaPhoneNumber, "phone number ID", phoneNumberID},
	} {
		if claim.value == "" {
			continue
		}
		had, err := tx.Meta(claim.name)
		switch {
		case err != nil:
			return err
		case had == "":
			if err := tx.SetMeta(claim.name, claim.value); err != nil {
				return err
			}
		case had != claim.value:
			return fmt.Errorf("%w (its %s differs)", ErrForeign, claim.what)
		}
	}
	return nil
}

// RememberRequest notes the result of a request that must not be carried out twice. If a request with this key was
// noted before, it returns what was noted then, and fresh is false.
func (tx *Tx) RememberRequest(key, fingerprint, result string, now time.Time) (notedFingerprint, notedResult string, fresh bool, err error) {
	added, err := tx.exec(`INSERT INTO request (key, fingerprint, result, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`,
		key, fingerprint, result, millis(now))
	if err != nil || added == 1 {
		return fingerprint, result, added == 1, err
	}
	_, err = tx.row(`SELECT fingerprint, result FROM request WHERE key = ?`, []any{key}, &notedFingerprint, &notedResult)
	return notedFingerprint, notedResult, false, err
}
