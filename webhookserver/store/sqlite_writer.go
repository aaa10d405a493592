package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// maxGroup bounds how many writes share a commit.
const maxGroup = 512

// write is one call of Append, or of Update if fn is set.
type write struct {
	webhook Webhook
	fn      func(*Tx) error
	err     error
	done    chan error
}

var doneChannels = sync.Pool{New: func() any { return make(chan error, 1) }}

// write hands a write over and waits for its commit. Once handed over it is not abandoned: its body belongs to the
// writer until it has answered.
func (s *SQLite) write(ctx context.Context, w *write) error {
	w.done = doneChannels.Get().(chan error)
	defer doneChannels.Put(w.done)
	if err := s.handOver(ctx, w); err != nil {
		return err
	}
	return <-w.done
}

func (s *SQLite) handOver(ctx context.Context, w *write) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	select {
	case s.requests <- w:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the only goroutine that writes. It commits whatever has queued up while the previous commit was being
// synced, so that the slower the disk is, the more writes share a sync.
func (s *SQLite) run() {
	defer close(s.ended)
	group := make([]*write, 0, maxGroup)
	for w := range s.requests {
		group = append(group[:0], w)
		for more := true; more && len(group) < maxGroup; {
			select {
			case next, open := <-s.requests:
				if more = open; open {
					group = append(group, next)
				}
			default:
				more = false
			}
		}
		s.commit(group)
		clear(group)
	}
}

func (s *SQLite) commit(group []*write) {
	failure := s.Err()
	if failure == nil {
		if err := s.writer.commit(group); err != nil {
			s.fail(err)
			failure = s.Err()
		}
	}
	for _, w := range group {
		if failure != nil {
			w.err = failure
		}
		w.done <- w.err
	}
}

// sqliteWriter runs statements on the writing connection, each compiled once.
type sqliteWriter struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

// commit runs a group in one transaction. An error means that nothing is known of any write in it.
func (w *sqliteWriter) commit(group []*write) error {
	// A caller that goes away must not interrupt the others in the group.
	ctx := context.Background()
	if _, err := w.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, one := range group {
		if one.fn == nil {
			if _, err := w.ExecContext(ctx, insertInbox, millis(one.webhook.ReceivedAt), notNull(one.webhook.Body)); err != nil {
				return err
			}
			continue
		}
		if err := w.update(ctx, one); err != nil {
			return err
		}
	}
	_, err := w.ExecContext(ctx, `COMMIT`)
	return err
}

// update runs one function so that its failure takes back what it wrote and nothing else.
func (w *sqliteWriter) update(ctx context.Context, one *write) error {
	if _, err := w.ExecContext(ctx, `SAVEPOINT one`); err != nil {
		return err
	}
	one.err = one.fn(&Tx{ctx: ctx, q: w})
	if fatal(one.err) {
		return one.err
	}
	if one.err != nil {
		if _, err := w.ExecContext(ctx, `ROLLBACK TO one`); err != nil {
			return errors.Join(err, one.err)
		}
	}
	_, err := w.ExecContext(ctx, `RELEASE one`)
	return err
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

// ExecContext implements querier.
func (w *sqliteWriter) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext implements querier.
func (w *sqliteWriter) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (w *sqliteWriter) close() error {
	var errs []error
	for _, s := range w.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
