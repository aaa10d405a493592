package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

var (
	// ErrInUse means that a receiver still uses the store that is to be copied.
	ErrInUse = errors.New("a receiver still uses the embedded store; stop it first (scale its Deployment to zero), and start it on PostgreSQL when the copy is done")
	// ErrNotEmpty means that the schema to copy into holds something else than an unfinished copy of the same store.
	ErrNotEmpty = errors.New("the PostgreSQL schema holds data already that is not an unfinished copy of this store; name an empty schema, or drop that one if nothing in it is needed")
	// ErrNoStore means that there is nothing to copy.
	ErrNoStore = errors.New("there is no embedded store")
	// ErrDiffers means that what was copied is not what was to be copied.
	ErrDiffers = errors.New("the copy differs from the original")
)

const (
	// copyChunk is how many rows are copied in one transaction.
	copyChunk = 500
	// metaCopied, with a table's name behind it, is the last row of the table that was copied.
	metaCopied = "copied/"
	// metaCopyOf tells, once a copy is finished, what was copied.
	metaCopyOf = "copy-of"
)

// CopyToPostgres copies the embedded store in a directory into an empty PostgreSQL schema, and compares both. If it is
// interrupted, the next call goes on where this one ended; until the end, no receiver takes the schema. Where the same was
// copied into it before, there is nothing to do, even if a receiver has used it since. The embedded store stays as it is. copyFiles, which may be nil, copies what belongs to the store and is beside it, before the schema
// is given free. The error is ErrNoStore, ErrInUse, ErrNotEmpty, ErrDiffers, or one of opening either.
func CopyToPostgres(ctx context.Context, dir string, o PostgresOptions, copyFiles func(context.Context, Store) error) error {
	if _, err := os.Stat(filepath.Join(dir, sqliteFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w in %s; --data-dir names where it is", ErrNoStore, dir)
	}
	from, err := openIdle(ctx, dir)
	if err != nil {
		return err
	}
	defer from.Close()
	o.copying, o.patience = true, longTimeout
	to, err := OpenPostgres(ctx, o)
	if err != nil {
		return err
	}
	defer to.Close()
	return from.View(ctx, func(original *Tx) error {
		tables, err := original.tables()
		if err != nil {
			return err
		}
		of, err := fingerprint(original, tables)
		if err != nil {
			return err
		}
		finished := false
		if err := to.Update(ctx, func(tx *Tx) (err error) { finished, err = beginCopy(original, tx, tables, of); return err }); err != nil || finished {
			return err
		}
		for _, t := range tables {
			if err := t.copyRows(ctx, original, to); err != nil {
				return fmt.Errorf("copy the table %s: %w", t.name, err)
			}
			o.Log.Info("copied", "table", t.name)
		}
		if copyFiles != nil {
			if err := copyFiles(ctx, to); err != nil {
				return err
			}
		}
		return to.Update(ctx, func(tx *Tx) error { return endCopy(original, tx, tables, of) })
	})
}

// openIdle opens an embedded store that nobody uses.
func openIdle(ctx context.Context, dir string) (*SQLite, error) {
	idle, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s, err := OpenSQLite(idle, SQLiteOptions{Dir: dir, inUse: func() { cancel(ErrInUse) }})
	if err != nil && context.Cause(idle) != nil {
		return nil, context.Cause(idle)
	}
	return s, err
}

// table is one table of the common schema.
type table struct {
	name    string
	columns []string
	// numbered tells that the rows get their IDs from a sequence.
	numbered bool
	// rowID tells that SQLite numbers the rows, which gives them an order to go on in.
	rowID bool
}

// tables lists the tables of an embedded store, each after those that it refers to.
func (tx *Tx) tables() ([]table, error) {
	type entry struct{ name, sql string }
	entries, err := rows(tx, func(scan func(...any) error) (e entry, err error) {
		err = scan(&e.name, &e.sql)
		return e, err
	},
		`SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'migration' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	var list []table
	for _, e := range entries {
		columns, err := rows(tx, value[string],
			`SELECT name FROM pragma_table_info(?) ORDER BY cid`, e.name)
		if err != nil {
			return nil, err
		}
		list = append(list, table{
			name: e.name, columns: columns,
			numbered: strings.Contains(e.sql, "AUTOINCREMENT"), rowID: !strings.Contains(e.sql, "WITHOUT ROWID"),
		})
	}
	// Conversations and tickets are what other rows refer to.
	rank := map[string]int{"conversation": -2, "ticket": -1}
	slices.SortStableFunc(list, func(a, b table) int { return rank[a.name] - rank[b.name] })
	return list, nil
}

// source says whose data an embedded store has.
func source(original *Tx) (string, error) {
	account, err := original.Meta(metaBusinessAccount)
	if err != nil {
		return "", err
	}
	number, err := original.Meta(metaPhoneNumber)
	return "sqlite " + account + " " + number, err
}

// fingerprint says what is in an embedded store.
func fingerprint(original *Tx, tables []table) (string, error) {
	name, err := source(original)
	var of strings.Builder
	of.WriteString(name)
	for _, t := range tables {
		if err != nil || !t.compared() {
			continue
		}
		var sum checksum
		sum, err = t.sum(original)
		fmt.Fprintf(&of, "\n%s %d %x", t.name, sum.rows, sum.sum)
	}
	return digest(of.String()), err
}

// beginCopy makes sure that the schema is empty, or that of a copy of the same store that was interrupted. It reports whether
// all that is to be copied was copied before.
func beginCopy(original, tx *Tx, tables []table, of string) (finished bool, err error) {
	from, err := source(original)
	if err != nil {
		return false, err
	}
	before, err := tx.Meta(metaCopyOf)
	if err != nil || before == of {
		return err == nil, err
	}
	copying, err := tx.Meta(metaCopying)
	switch {
	case err != nil:
		return false, err
	case copying == from:
		return false, nil
	case copying != "":
		return false, ErrNotEmpty
	}
	for _, t := range tables {
		var n int64
		if _, err := tx.row(`SELECT count(*) FROM (SELECT 1 FROM `+t.name+` LIMIT 2) AS sample`, nil, &n); err != nil {
			return false, err
		}
		// The row that processes lock is there from the beginning.
		if n > 1 || (n == 1 && t.name != "meta") {
			return false, ErrNotEmpty
		}
	}
	return false, tx.SetMeta(metaCopying, from)
}

// copyRows copies what is not there yet, chunk by chunk. How far it got is noted with each chunk.
func (t table) copyRows(ctx context.Context, original *Tx, to *Postgres) error {
	if !t.rowID {
		_, err := t.copyChunk(ctx, original, to, 0)
		return err
	}
	var after int64
	if err := to.View(ctx, func(tx *Tx) error {
		text, err := tx.Meta(metaCopied + t.name)
		if err == nil && text != "" {
			after, err = strconv.ParseInt(text, 10, 64)
		}
		return err
	}); err != nil {
		return err
	}
	for {
		last, err := t.copyChunk(ctx, original, to, after)
		if err != nil || last == after {
			return err
		}
		after = last
	}
}

// copyChunk copies rows after one, and returns the last that it copied. Of a table that has no row numbers it copies
// all.
func (t table) copyChunk(ctx context.Context, original *Tx, to *Postgres, after int64) (last int64, err error) {
	query, args := `SELECT 0, `+strings.Join(t.columns, ", ")+` FROM `+t.name, []any(nil)
	if t.rowID {
		query, args = `SELECT rowid, `+strings.Join(t.columns, ", ")+` FROM `+t.name+` WHERE rowid > ? ORDER BY rowid LIMIT ?`, []any{after, copyChunk}
	}
	list, err := rows(original, t.scan, query, args...)
	if err != nil || len(list) == 0 {
		return after, err
	}
	last = list[len(list)-1].id
	insert := `INSERT INTO ` + t.name + ` (` + strings.Join(t.columns, ", ") + `) VALUES (?` + strings.Repeat(", ?", len(t.columns)-1) + `) ON CONFLICT DO NOTHING`
	return last, to.Update(ctx, func(tx *Tx) error {
		for _, row := range list {
			if _, err := tx.exec(insert, slices.Clone(row.values)...); err != nil {
				return err
			}
		}
		return tx.SetMeta(metaCopied+t.name, strconv.FormatInt(last, 10))
	})
}

// copiedRow is a row as any engine has it: numbers, text and bytes.
type copiedRow struct {
	id     int64
	values []any
}

func (t table) scan(scan func(...any) error) (copiedRow, error) {
	row := copiedRow{values: make([]any, len(t.columns))}
	into := []any{&row.id}
	for i := range row.values {
		into = append(into, &row.values[i])
	}
	return row, scan(into...)
}

// compared tells whether a table is the same in the copy. The store's own values are not, and files come from elsewhere: what
// copies them compares them.
func (t table) compared() bool { return t.name != "meta" && !fileTables[t.name] }

// endCopy compares the copy with the original, and gives the schema free.
func endCopy(original, tx *Tx, tables []table, of string) error {
	for _, t := range tables {
		if !t.compared() {
			continue
		}
		want, err := t.sum(original)
		if err != nil {
			return err
		}
		got, err := t.sum(tx)
		if err != nil {
			return err
		}
		if want != got {
			return fmt.Errorf("%w: the table %s has %d rows in the original, %d in the copy, and the checksums are the same: %v; drop the schema and copy again",
				ErrDiffers, t.name, want.rows, got.rows, want.sum == got.sum)
		}
		if !t.numbered {
			continue
		}
		// IDs that were given out are not given out again, even if their rows are gone.
		var last int64
		if found, err := original.row(`SELECT seq FROM sqlite_sequence WHERE name = ?`, []any{t.name}, &last); err != nil {
			return err
		} else if found && last > 0 {
			var set int64
			if _, err := tx.row(`SELECT setval(pg_get_serial_sequence(?, ?), ?)`, []any{t.name, t.columns[0], last}, &set); err != nil {
				return err
			}
		}
	}
	if _, err := tx.exec(`DELETE FROM meta WHERE name = ? OR name LIKE ?`, metaCopying, metaCopied+"%"); err != nil {
		return err
	}
	return tx.SetMeta(metaCopyOf, of)
}

// checksum is how many rows a table has, and a sum over them that does not depend on their order.
type checksum struct {
	rows int64
	sum  [4]uint64
}

func (t table) sum(tx *Tx) (c checksum, err error) {
	_, err = rows(tx, func(scan func(...any) error) (struct{}, error) {
		row, err := t.scan(scan)
		if err != nil {
			return struct{}{}, err
		}
		digest := sha256.Sum256(row.encode())
		c.rows++
		for i := range c.sum {
			c.sum[i] += binary.BigEndian.Uint64(digest[8*i:])
		}
		return struct{}{}, nil
	}, `SELECT 0, `+strings.Join(t.columns, ", ")+` FROM `+t.name)
	return c, err
}

// encode writes a row so that different rows never look the same.
func (r copiedRow) encode() []byte {
	var b []byte
	add := func(kind byte, value []byte) {
		b = append(b, kind)
		b = binary.BigEndian.AppendUint64(b, uint64(len(value)))
		b = append(b, value...)
	}
	for _, value := range r.values {
		switch v := value.(type) {
		case nil:
			add('0', nil)
		case int64:
			add('n', strconv.AppendInt(nil, v, 10))
		case []byte:
			add('b', v)
		case string:
			add('t', []byte(storable(v)))
		default:
			add('?', fmt.Appendf(nil, "%T %v", v, v))
		}
	}
	return b
}
