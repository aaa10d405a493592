package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

const (
	// ingestCommitters is how many commits of webhooks are under way at once: one is sent while one is synced.
	ingestCommitters = 2
	// postgresConnections bounds the connections of one process: the committers, the updates, and some readers.
	postgresConnections = ingestCommitters + 1 + readers
	// openRetry is how long a server that cannot be used is left alone while the store is being opened.
	openRetry = time.Second
	// postgresPoll is how often to look for what another process has left to do.
	postgresPoll = time.Second
	// ingestTimeout, transactionTimeout and longTimeout bound transactions: those that store webhooks, all others, and
	// those of a copy or a migration. A commit waits for as long as no synchronous standby answers.
	ingestTimeout      = 15 * time.Second
	transactionTimeout = 30 * time.Second
	longTimeout        = 2 * time.Hour
	// migrationLockTimeout is how long a migration waits for a table. What other receivers do there comes after it
	// meanwhile. It is above the second after which the server ends an autovacuum that is in the way.
	migrationLockTimeout = 3 * time.Second
)

// PostgresOptions say where a store in PostgreSQL is.
type PostgresOptions struct {
	// DSN returns the connection string, as a URL or as keywords and values. It is asked for each new connection, so
	// that a changed password needs no restart.
	DSN func() (string, error)
	// Schema is the PostgreSQL schema that holds this channel and nothing else. It is created if it is not there.
	Schema string
	// Clock and Log default to the system's clock and to nothing.
	Clock clock.Clock
	Log   *slog.Logger

	// copying lets a schema be opened that a copy is not finished in.
	copying bool
	// patience bounds the transactions but those that store webhooks and migrations; transactionTimeout if it is zero.
	patience time.Duration
}

// Postgres is a store in a PostgreSQL schema, which any number of processes may have open.
//
// Webhooks are inserted side by side. Everything else is a transaction that first locks one row of the schema, so that
// the processes take turns: the database is the only arbiter, and a transaction sees all that was done before it, as
// it does in the embedded store.
//
// Nothing outlives a transaction on a connection: no session setting, no named statement, no session lock. So it works
// through PgBouncer in transaction mode.
type Postgres struct {
	pool   *pgxpool.Pool
	schema string
	// patience bounds a transaction.
	patience time.Duration
	ingest   *committer
	updates  *committer
	// begin and view begin transactions, with all their settings, in one round trip.
	begin, view string
	// insert stores webhooks.
	insert string
	// failing tells that a write failed since one of a webhook succeeded last.
	failing atomic.Bool
	failed  chan struct{}
}

// OpenPostgres opens a store in PostgreSQL, and waits for as long as the server cannot be used. The error is
// ErrForeign, ErrTooNew, ErrOldPostgres, ErrUnfinishedCopy, or says why the schema cannot be made.
func OpenPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	told := ""
	for {
		p, err := openPostgres(ctx, o)
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, ErrUnavailable) {
			return nil, fmt.Errorf("open the store: %w", err)
		}
		if told != err.Error() {
			told = err.Error()
			o.Log.Error("the database cannot be used; trying again", "error", err)
		}
		timer := o.Clock.NewTimer(openRetry)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

func openPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	config, err := poolConfig(o.DSN)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, unavailable(err)
	}
	schema := pgx.Identifier{o.Schema}.Sanitize()
	patience := cmp.Or(o.patience, transactionTimeout)
	// A transaction that hangs would keep the other processes from taking their turns.
	settings := fmt.Sprintf(`; SET LOCAL synchronous_commit = on; SET LOCAL idle_in_transaction_session_timeout = %[1]d; SET LOCAL statement_timeout = %[1]d; SET LOCAL search_path = %[2]s`,
		patience.Milliseconds(), schema)
	p := &Postgres{
		pool: pool, schema: o.Schema, patience: patience,
		begin:  `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE` + settings,
		view:   `BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ` + settings,
		insert: `INSERT INTO ` + schema + `.inbox (received_at, body) SELECT * FROM unnest($1::bigint[], $2::bytea[])`,
		failed: make(chan struct{}),
	}
	if err := p.prepare(ctx, o); err != nil {
		pool.Close()
		return nil, err
	}
	p.ingest = newCommitter(ingestCommitters, p.commitWebhooks)
	p.updates = newCommitter(1, p.commitUpdates)
	return p, nil
}

// poolConfig reads the connection string anew for each connection.
func poolConfig(dsn func() (string, error)) (*pgxpool.Config, error) {
	text, err := dsn()
	if err != nil {
		return nil, unavailable(err)
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, unavailable(errors.New("the connection string of PostgreSQL cannot be understood; write it as postgres://user:password@host:5432/database?sslmode=verify-full"))
	}
	config.MaxConns, config.MinConns = postgresConnections, 0
	settle(config.ConnConfig)
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		text, err := dsn()
		if err != nil {
			return err
		}
		latest, err := pgx.ParseConfig(text)
		if err != nil {
			return errors.New("the connection string of PostgreSQL cannot be understood")
		}
		settle(latest)
		*c = *latest
		return nil
	}
	return config, nil
}

func settle(c *pgx.ConnConfig) {
	// Statements without a name are all that a pooler in transaction mode can pass on.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, 0
	c.ValidateConnect = validate
	c.RuntimeParams["application_name"] = "whatsapp-operator"
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
}

// Append implements Store.
func (p *Postgres) Append(ctx context.Context, w Webhook) error {
	return p.ingest.write(ctx, &write{webhook: w})
}

// Update implements Store.
func (p *Postgres) Update(ctx context.Context, fn func(*Tx) error) error {
	return p.updates.write(ctx, &write{fn: fn})
}

// View implements Store.
func (p *Postgres) View(ctx context.Context, fn func(*Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer conn.Release()
	q := &pgQuerier{conn: conn.Conn()}
	if err := q.script(ctx, p.view); err != nil {
		return unavailable(err)
	}
	err = fn(&Tx{ctx: ctx, q: q})
	// There is nothing to commit.
	_, rollback := q.exec(ctx, `ROLLBACK`)
	return errors.Join(err, rollback)
}

// Failed implements Store. What PostgreSQL acknowledged is its to keep, so this process can always go on.
func (p *Postgres) Failed() <-chan struct{} { return p.failed }

// Err implements Store.
func (p *Postgres) Err() error { return nil }

// Poll implements Store.
func (p *Postgres) Poll() time.Duration { return postgresPoll }

// Close implements Store.
func (p *Postgres) Close() error {
	first := p.ingest.close()
	p.updates.close()
	if first {
		p.pool.Close()
	}
	return nil
}
