package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Migrations are numbered files in the dialect of SQLite, and translated for other engines; see dialect. A new one
// must leave the previous version of the receiver able to work, because a roll-back starts it on the migrated
// database, and replicas of both versions work on it during a roll-out.
//
//go:embed migrations/*.sql
var migrations embed.FS

// ErrTooNew means that a later version of the receiver changed the database beyond what this one can work with.
var ErrTooNew = errors.New("the store was written by a newer receiver; run that version again, or a later one")

type migration struct {
	version int
	sql     string
}

func loadMigrations() ([]migration, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	list := make([]migration, 0, len(names))
	for i, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", name, i+1)
		}
		sql, err := fs.ReadFile(migrations, name)
		if err != nil {
			return nil, err
		}
		list = append(list, migration{version: version, sql: string(sql)})
	}
	return list, nil
}

// migrate brings a database up to date, in the transaction of q.
func migrate(ctx context.Context, q querier, d dialect) error {
	list, err := pendingMigrations(&Tx{ctx: ctx, q: q})
	if err != nil {
		return err
	}
	return applyAll(ctx, q, d, list)
}

func applyAll(ctx context.Context, q querier, d dialect, list []migration) error {
	for _, m := range list {
		if err := m.apply(ctx, q, d); err != nil {
			return fmt.Errorf("migration %d: %w", m.version, err)
		}
	}
	return nil
}

// pendingMigrations lists what was not done to a database yet, in the order in which it is to be.
func pendingMigrations(tx *Tx) ([]migration, error) {
	list, err := loadMigrations()
	if err != nil {
		return nil, err
	}
	if _, err := tx.exec(`CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY)`); err != nil {
		return nil, err
	}
	var at *int
	if _, err := tx.row(`SELECT max(version) FROM migration`, nil, &at); err != nil {
		return nil, err
	}
	done := 0
	if at != nil {
		done = *at
	}
	if done > len(list)+1 {
		return nil, ErrTooNew
	}
	return list[min(done, len(list)):], nil
}

func (m migration) apply(ctx context.Context, q querier, d dialect) error {
	for _, statement := range d.statements(m.sql) {
		if _, err := q.exec(ctx, statement); err != nil {
			return err
		}
	}
	_, err := q.exec(ctx, `INSERT INTO migration (version) VALUES (?)`, m.version)
	return err
}
