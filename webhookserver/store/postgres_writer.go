package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// metaWriter is the row of the schema that every transaction but those that store webhooks locks first.
const metaWriter = "writer"

// lockNotAvailable is what a server answers where a lock could not be had within lock_timeout.
const lockNotAvailable = "55P03"

var errNotCommitted = errors.New("PostgreSQL answered the commit with a roll-back")

// commitWebhooks stores a group of webhooks in one round trip. The bodies go as bytes, where pgx would spell them out in
// hexadecimal for a statement that is not prepared.
func (p *Postgres) commitWebhooks(group []*write) error {
	times, bodies := make([]int64, len(group)), make([][]byte, len(group))
	for i, w := range group {
		times[i], bodies[i] = millis(w.webhook.ReceivedAt), notNull(w.webhook.Body)
	}
	// A caller that goes away must not interrupt the others in the group.
	ctx, cancel := context.WithTimeout(context.Background(), ingestTimeout)
	defer cancel()
	err := p.with(ctx, func(conn *pgx.Conn) error {
		oids, values, err := columns(conn.TypeMap(), times, bodies)
		if err != nil {
			return err
		}
		var batch pgconn.Batch
		batch.ExecParams(`BEGIN`, nil, nil, nil, nil)
		batch.ExecParams(`SET LOCAL synchronous_commit = on`, nil, nil, nil, nil)
		batch.ExecParams(p.insert, values, oids, []int16{pgtype.BinaryFormatCode}, nil)
		batch.ExecParams(`COMMIT`, nil, nil, nil, nil)
		results, err := conn.PgConn().ExecBatch(ctx, &batch).ReadAll()
		if err == nil && results[len(results)-1].CommandTag.String() != `COMMIT` {
			err = errNotCommitted
		}
		return err
	})
	if err == nil && p.failing.Load() {
		p.failing.Store(false)
	}
	return err
}

// columns encodes the parameters of the insertion of webhooks.
func columns(types *pgtype.Map, times []int64, bodies [][]byte) (oids []uint32, values [][]byte, err error) {
	oids = []uint32{pgtype.Int8ArrayOID, pgtype.ByteaArrayOID}
	for i, column := range []any{times, bodies} {
		value, err := types.Encode(oids[i], pgtype.BinaryFormatCode, column, nil)
		if err != nil {
			return nil, nil, err
		}
		values = append(values, value)
	}
	return oids, values, nil
}

// commitUpdates runs a group of functions in one transaction, when its turn has come.
func (p *Postgres) commitUpdates(group []*write) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	return p.with(ctx, func(conn *pgx.Conn) error {
		q := &pgQuerier{conn: conn}
		if err := q.script(ctx, p.begin); err != nil {
			return err
		}
		var locked int64
		if found, err := (&Tx{ctx: ctx, q: q}).row(`SELECT 1 FROM meta WHERE name = ? FOR UPDATE`, []any{metaWriter}, &locked); err != nil || !found {
			return errors.Join(err, fmt.Errorf("lock the schema: its row was found: %v", found))
		}
		for _, w := range group {
			if err := q.update(ctx, w, len(group) > 1); err != nil {
				return err
			}
			if errors.Is(w.err, ErrUnavailable) {
				p.failing.Store(true)
			}
		}
		return q.commit(ctx)
	})
}

// update runs one function so that its failure takes back what it wrote and nothing else. Alone in its transaction, it
// needs no savepoint for that.
func (q *pgQuerier) update(ctx context.Context, w *write, grouped bool) (err error) {
	tx := &Tx{ctx: ctx, q: q}
	if grouped {
		w.err, err = tx.Try(w.fn)
		return err
	}
	if w.err = w.fn(tx); w.err == nil {
		w.err = q.flush(ctx)
	}
	if w.err == nil {
		return nil
	}
	q.waiting = nil
	_, err = q.exec(ctx, `ROLLBACK`)
	return err
}

// commit ends a transaction, unless it was rolled back already.
func (q *pgQuerier) commit(ctx context.Context) error {
	if q.conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	tag, err := q.run(ctx, `COMMIT`)
	if err == nil && tag.String() != `COMMIT` {
		err = errNotCommitted
	}
	return err
}

// with runs fn on a connection. Whatever it fails with, it is not known what was written.
func (p *Postgres) with(ctx context.Context, fn func(*pgx.Conn) error) error {
	err := p.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return fn(conn.Conn()) })
	if err == nil {
		return nil
	}
	p.failing.Store(true)
	// After a fail-over all connections lead to the wrong server.
	p.pool.Reset()
	return unavailable(err)
}

// pgQuerier runs the common SQL on a connection. Statements that nobody waits for share a round trip with the next.
type pgQuerier struct {
	conn    *pgx.Conn
	waiting *pgx.Batch
}

// script runs several statements in one round trip.
func (q *pgQuerier) script(ctx context.Context, text string) error {
	_, err := q.conn.PgConn().Exec(ctx, text).ReadAll()
	return err
}

func (q *pgQuerier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := q.run(ctx, query, args...)
	return tag.RowsAffected(), q.judge(err)
}

func (q *pgQuerier) later(_ context.Context, query string, args ...any) error {
	q.put(query, args)
	return nil
}

func (q *pgQuerier) put(query string, args []any) {
	if q.waiting == nil {
		q.waiting = &pgx.Batch{}
	}
	q.waiting.Queue(postgresDialect.rebind(query), values(args)...)
}

// send runs the statements that wait in one round trip, and has read the answers to all but the last.
func (q *pgQuerier) send(ctx context.Context) (pgx.BatchResults, error) {
	batch := q.waiting
	q.waiting = nil
	results := q.conn.SendBatch(ctx, batch)
	for range batch.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			return nil, q.judge(err)
		}
	}
	return results, nil
}

// flush runs the statements that wait.
func (q *pgQuerier) flush(ctx context.Context) error {
	if q.waiting == nil {
		return nil
	}
	results, err := q.send(ctx)
	if err != nil {
		return err
	}
	return q.judge(results.Close())
}

func (q *pgQuerier) run(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	if q.waiting == nil {
		return q.conn.Exec(ctx, postgresDialect.rebind(query), values(args)...)
	}
	q.put(query, args)
	results, err := q.send(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	_ = results.Close()
	return tag, err
}

func (q *pgQuerier) query(ctx context.Context, query string, args ...any) (cursor, error) {
	if q.waiting == nil {
		rows, err := q.conn.Query(ctx, postgresDialect.rebind(query), values(args)...)
		if err != nil {
			return nil, q.judge(err)
		}
		return pgCursor{Rows: rows, q: q}, nil
	}
	q.put(query, args)
	results, err := q.send(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		_ = results.Close()
		return nil, q.judge(err)
	}
	return pgCursor{Rows: rows, q: q, trip: results}, nil
}

type pgCursor struct {
	pgx.Rows
	q *pgQuerier
	// trip, if set, is the round trip that the rows came with.
	trip pgx.BatchResults
}

func (c pgCursor) Err() error { return c.q.judge(c.Rows.Err()) }

func (c pgCursor) Close() error {
	c.Rows.Close()
	if c.trip == nil {
		return nil
	}
	return c.q.judge(c.trip.Close())
}

// values makes of arguments what PostgreSQL takes where SQLite takes anything: numbers for truth, and text that is
// UTF-8 without NUL.
func values(args []any) []any {
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			args[i] = storable(v)
		case bool:
			args[i] = 0
			if v {
				args[i] = 1
			}
		}
	}
	return args
}

const replacement = "\uFFFD"

func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, replacement), "\x00", replacement)
}

func (q *pgQuerier) judge(err error) error { return judgePostgres(err, q.conn.IsClosed()) }

// judgePostgres tells an error of the statement from one of the server or the way to it.
func judgePostgres(err error, lost bool) error {
	if err == nil {
		return nil
	}
	if lost {
		return unavailable(err)
	}
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Code[:2] {
	// Connection, roll-back, resources, operator intervention, system, internal.
	case "08", "40", "53", "57", "58", "XX":
		return unavailable(err)
	}
	switch answer.Code {
	// What a server answers that has become a standby, and where others hold a lock.
	case "25006", lockNotAvailable:
		return unavailable(err)
	}
	return err
}

func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
