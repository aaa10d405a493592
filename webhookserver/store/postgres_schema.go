package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// oldestPostgres is the oldest server that is worked with, as it writes its version.
const oldestPostgres = 140000

var (
	// ErrOldPostgres means that the server is older than what is worked with.
	ErrOldPostgres = errors.New("the PostgreSQL server is older than version 14; use a newer one")
	// ErrUnfinishedCopy means that another store was copied into the schema, and not to the end.
	ErrUnfinishedCopy = errors.New("another store is being copied into this schema and the copy is not finished; run `receiver migrate` again")
)

// metaCopying tells, while it is not empty, which store is being copied into the schema.
const metaCopying = "copying"

// prepare makes the schema what this version works with. Each migration of a schema that is in use is a transaction of its own:
// other receivers work on it, and no table is kept from them for longer than one migration needs it.
func (p *Postgres) prepare(ctx context.Context, o PostgresOptions) error {
	for ready := false; !ready; {
		var err error
		if ready, err = p.prepareStep(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// prepareStep applies one migration, or all to a new schema. It is ready where there is none to apply.
func (p *Postgres) prepareStep(ctx context.Context, o PostgresOptions) (ready bool, err error) {
	long := ctx
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return false, unavailable(err)
	}
	defer conn.Release()
	q := &pgQuerier{conn: conn.Conn()}
	if err := q.script(ctx, p.begin+"; "+setLocal("lock_timeout", migrationLockTimeout)); err != nil {
		return false, unavailable(err)
	}
	tx := &Tx{ctx: ctx, q: q}
	pending, err := p.look(tx)
	switch {
	case err != nil:
	case len(pending) == 0:
		err = finish(tx, o.copying)
	default:
		var done context.CancelFunc
		ctx, done = context.WithTimeout(long, longTimeout)
		defer done()
		if next := pending[0].version; next > 1 {
			o.Log.Info("changing the schema, which takes its time where tables are large", "migration", next)
			pending = pending[:1]
		}
		err = q.migrate(ctx, pending)
	}
	if err != nil {
		_, rollback := q.exec(ctx, `ROLLBACK`)
		return false, errors.Join(explainLock(err), rollback)
	}
	if err := q.commit(ctx); err != nil {
		return false, unavailable(err)
	}
	return len(pending) == 0, nil
}

// setLocal is a statement that sets a timeout of the present transaction.
func setLocal(name string, d time.Duration) string {
	return fmt.Sprintf(`SET LOCAL %s = %d`, name, d.Milliseconds())
}

// migrate applies migrations in the present transaction, however long a large table takes.
func (q *pgQuerier) migrate(ctx context.Context, list []migration) error {
	if _, err := q.exec(ctx, setLocal("statement_timeout", longTimeout)); err != nil {
		return err
	}
	return applyAll(ctx, q, postgresDialect, list)
}

// explainLock says what it means that a lock could not be had in time.
func explainLock(err error) error {
	if answer := new(pgconn.PgError); errors.As(err, &answer) && answer.Code == lockNotAvailable {
		return fmt.Errorf("other receivers use the tables that have to be changed, or are changing them; this one waits for them: %w", err)
	}
	return err
}

// look makes sure that the schema can be this receiver's, and returns the migrations that it needs. Until the transaction
// ends, no other process applies one.
func (p *Postgres) look(tx *Tx) ([]migration, error) {
	var version, locked int
	if _, err := tx.row(`SELECT current_setting('server_version_num')::int`, nil, &version); err != nil {
		return nil, err
	}
	if version < oldestPostgres {
		return nil, ErrOldPostgres
	}
	// Processes that start at the same time prepare one after another. The lock ends with the transaction.
	if _, err := tx.row(`SELECT 1 FROM pg_advisory_xact_lock(hashtextextended(?, 0))`, []any{"whatsapp-operator/" + p.schema}, &locked); err != nil {
		return nil, err
	}
	if err := p.ownSchema(tx); err != nil {
		return nil, err
	}
	return pendingMigrations(tx)
}

// finish makes sure that a schema that is up to date can be worked with.
func finish(tx *Tx, copying bool) error {
	if _, err := tx.exec(`INSERT INTO meta (name, value) VALUES (?, '') ON CONFLICT (name) DO NOTHING`, metaWriter); err != nil {
		return err
	}
	if from, err := tx.Meta(metaCopying); err != nil || (from != "" && !copying) {
		return errors.Join(err, ErrUnfinishedCopy)
	}
	return nil
}

// ownSchema creates the schema, or makes sure that it is one of a receiver.
func (p *Postgres) ownSchema(tx *Tx) error {
	var tables, ours int
	there, err := tx.row(`SELECT (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')),
		(SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname IN ('meta', 'migration', 'inbox'))
		FROM pg_namespace n WHERE n.nspname = ?`, []any{p.schema}, &tables, &ours)
	switch {
	case err != nil:
		return err
	case there && tables > 0 && ours < 3:
		return fmt.Errorf("%w: the schema %q holds tables of another program", ErrForeign, p.schema)
	case there:
		return nil
	}
	_, err = tx.exec(`CREATE SCHEMA ` + pgx.Identifier{p.schema}.Sanitize())
	if answer := new(pgconn.PgError); errors.As(err, &answer) && answer.Code == "42501" {
		return fmt.Errorf("the PostgreSQL user may not create the schema %q; create it for the user (CREATE SCHEMA ... AUTHORIZATION ...), or let the user create schemas: %w", p.schema, err)
	}
	return err
}

// Durability implements Store.
func (p *Postgres) Durability(ctx context.Context) (Durability, error) {
	var s postgresSettings
	err := p.View(ctx, func(tx *Tx) error {
		// Logical replication copies data elsewhere, and is nothing to fail over to.
		_, err := tx.row(`SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_standby_names'),
			(SELECT count(*) FROM pg_stat_replication r WHERE NOT EXISTS (
				SELECT 1 FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical'))`,
			nil, &s.fsync, &s.fullPageWrites, &s.standbyNames, &s.standbys)
		return err
	})
	if err != nil {
		return Durability{}, err
	}
	return s.judge(), nil
}

// postgresSettings are what decides whether a server keeps what it acknowledged. Whether a commit waits for the disk is
// not among them: each transaction sets that itself.
type postgresSettings struct {
	fsync, fullPageWrites, standbyNames string
	// standbys counts the servers that copy from this one.
	standbys int
}

func (s postgresSettings) judge() Durability {
	switch {
	case s.fsync != "on":
		return Durability{Reason: "PostgreSQL runs with fsync off, so a crash of its machine loses messages; set fsync = on."}
	case s.fullPageWrites != "on":
		return Durability{Reason: "PostgreSQL runs with full_page_writes off, so a power cut can destroy the database; set full_page_writes = on."}
	case s.standbyNames == "" && s.standbys > 0:
		return Durability{Reason: "PostgreSQL has only asynchronous standbys, so a fail-over loses the latest messages; set synchronous_standby_names."}
	case s.standbyNames != "":
		return Durability{Durable: true, Reason: "Every webhook is synced to disk here and on a synchronous standby before it is acknowledged."}
	}
	return Durability{Durable: true, Reason: "Every webhook is synced to PostgreSQL's disk before it is acknowledged."}
}
