package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// refusalError is why a server that answers takes no writes, and what to do, in sentences.
type refusalError string

func (r refusalError) Error() string { return string(r) }

const (
	errStandby     = refusalError("The database can be read and not written, because its server is a standby. After a fail-over, have the connection string in the Secret lead to the new primary (it may name several hosts), or promote this server.")
	errReadOnly    = refusalError("The database can be read and not written, because default_transaction_read_only is on for it or for its user. Some providers set that when the disk is nearly full: make room, and set it off again.")
	errNoRoom      = refusalError("The database can be read and not written, because its disk is full. Make it larger, or make room.")
	errUnconfirmed = refusalError("The database can be read, and does not confirm in time what is written. If it waits for a synchronous standby that is gone, bring that back, or take it out of synchronous_standby_names.")
)

// Refusal implements Store. Connections to a server that takes no writes are given up, because they would go on to lead
// to that server, and to have its settings, when others can write again.
func (p *Postgres) Refusal(ctx context.Context) (string, error) {
	var why refusalError
	err := p.takesWrites(ctx)
	switch {
	case errors.As(err, &why):
	case err == nil && p.failing.Load():
		if err = p.tryToWrite(ctx); err != nil {
			why = explain(err)
		}
	}
	if why != "" {
		p.pool.Reset()
	}
	return string(why), err
}

// takesWrites asks the server whether it takes writes, which costs it nothing.
func (p *Postgres) takesWrites(ctx context.Context) error {
	var standby, readOnly bool
	if err := p.View(ctx, func(tx *Tx) error {
		_, err := tx.row(`SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'`, nil, &standby, &readOnly)
		return err
	}); err != nil {
		return err
	}
	switch {
	case standby:
		return errStandby
	case readOnly:
		return errReadOnly
	}
	return nil
}

// probeSize is how many bytes are written to see whether webhooks can be: as many as one may have in a row, so that
// they find no room where a common webhook finds none.
const probeSize = 1900

// tryToWrite stores what takes as much room as a webhook, and removes it, in one transaction that is as durable. It
// leaves nothing that another could see.
func (p *Postgres) tryToWrite(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ingestTimeout)
	defer cancel()
	err := p.with(ctx, func(conn *pgx.Conn) error {
		q := &pgQuerier{conn: conn}
		if err := q.script(ctx, p.begin); err != nil {
			return err
		}
		tx := &Tx{ctx: ctx, q: q}
		var seq int64
		if _, err := tx.row(insertInbox+` RETURNING seq`, []any{0, make([]byte, probeSize)}, &seq); err != nil {
			return err
		}
		if err := tx.RemoveInbox(seq); err != nil {
			return err
		}
		return q.commit(ctx)
	})
	if err == nil {
		p.failing.Store(false)
	}
	return err
}

// explain says why a server that could be read just before refuses a write; empty if it is the way to the server that
// failed.
func explain(err error) (why refusalError) {
	answer := new(pgconn.PgError)
	if errors.As(err, &why) {
		return why
	}
	if !errors.As(err, &answer) {
		if errors.Is(err, context.DeadlineExceeded) {
			return errUnconfirmed
		}
		return ""
	}
	switch code := answer.Code; {
	case code == "25006":
		return errReadOnly
	case code == "53100":
		return errNoRoom
	case code == "57014":
		return errUnconfirmed
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"):
		return ""
	default:
		return refusalError(fmt.Sprintf("The database can be read and not written: it answers with SQLSTATE %s. The receiver's log quotes it.", code))
	}
}

// validate refuses connections to a server that takes no writes, so that another host of the connection string is tried.
func validate(ctx context.Context, conn *pgconn.PgConn) error {
	err := pgconn.ValidateConnectTargetSessionAttrsReadWrite(ctx, conn)
	if !errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return err
	}
	if errors.Is(pgconn.ValidateConnectTargetSessionAttrsPrimary(ctx, conn), pgconn.ErrStandbyConnection) {
		return errStandby
	}
	return errReadOnly
}
