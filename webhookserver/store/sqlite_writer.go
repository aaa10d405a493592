package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

func (s *SQLite) commit(group []*write) error {
	if err := s.Err(); err != nil {
		return err
	}
	if err := s.writer.commit(group, s.committer.webhooksWait); err != nil {
		s.fail(err)
		return s.Err()
	}
	return nil
}

// sqliteWriter runs statements on the writing connection, each compiled once.
type sqliteWriter struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	clock      clock.Clock
}

// commit runs a group in one transaction. An error means that nothing is known of any write in it. webhooksWait tells
// whether webhooks wait for this group, or for the next.
func (w *sqliteWriter) commit(group []*write, webhooksWait func() bool) error {
	began := w.clock.Now()
	holdsUp := func() time.Duration {
		if !webhooksWait() {
			return 0
		}
		return w.clock.Now().Sub(began)
	}
	// A caller that goes away must not interrupt the others in the group.
	ctx := context.Background()
	if _, err := w.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := w.append(ctx, group); err != nil {
		return err
	}
	for _, one := range group {
		if one.fn == nil {
			continue
		}
		var err error
		if one.err, err = (&Tx{ctx: ctx, q: w, holdsUp: holdsUp}).Try(one.fn); err != nil {
			return err
		}
	}
	_, err := w.exec(ctx, `COMMIT`)
	return err
}

// insertAtOnce is how many webhooks one statement stores. What is left over is stored one by one.
const insertAtOnce = 16

var insertInboxAtOnce = insertInbox + strings.Repeat(`, (?, ?)`, insertAtOnce-1)

// append stores the webhooks of a group.
func (w *sqliteWriter) append(ctx context.Context, group []*write) error {
	args := make([]any, 0, 2*len(group))
	for _, one := range group {
		if one.fn == nil {
			args = append(args, millis(one.webhook.ReceivedAt), notNull(one.webhook.Body))
		}
	}
	for len(args) > 0 {
		query, taken := insertInbox, 2
		if len(args) >= 2*insertAtOnce {
			query, taken = insertInboxAtOnce, 2*insertAtOnce
		}
		if _, err := w.exec(ctx, query, args[:taken]...); err != nil {
			return err
		}
		args = args[taken:]
	}
	return nil
}

func (w *sqliteWriter) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := w.statements[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare a statement: %w", err)
	}
	w.statements[query] = s
	return s, nil
}

func (w *sqliteWriter) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := w.statement(ctx, query)
	if err != nil {
		return 0, err
	}
	return affected(s.ExecContext(ctx, args...))
}

func (w *sqliteWriter) later(ctx context.Context, query string, args ...any) error {
	_, err := w.exec(ctx, query, args...)
	return err
}

func (*sqliteWriter) flush(context.Context) error { return nil }

func (w *sqliteWriter) query(ctx context.Context, query string, args ...any) (cursor, error) {
	s, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...) //nolint:rowserrcheck // The caller walks over them and checks.
}

// sqlQuerier runs statements that are not worth keeping.
type sqlQuerier struct {
	db interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

func (q sqlQuerier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(q.db.ExecContext(ctx, query, args...))
}

func (q sqlQuerier) later(ctx context.Context, query string, args ...any) error {
	_, err := q.exec(ctx, query, args...)
	return err
}

func (sqlQuerier) flush(context.Context) error { return nil }

func (q sqlQuerier) query(ctx context.Context, query string, args ...any) (cursor, error) {
	return q.db.QueryContext(ctx, query, args...) //nolint:rowserrcheck // The caller walks over them and checks.
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (w *sqliteWriter) close() error {
	var errs []error
	for _, s := range w.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
