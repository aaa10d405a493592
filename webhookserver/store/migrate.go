package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Migrations are numbered files below the engine's name. A new one must leave the previous version of the receiver
// able to work, because a roll-back starts it on the migrated database.
//
//go:embed migrations
var migrations embed.FS

// ErrTooNew means that a later version of the receiver changed the database beyond what this one can work with.
var ErrTooNew = errors.New("the store was written by a newer receiver; run that version again, or a later one")

type migration struct {
	version int
	sql     string
}

func loadMigrations(engine string) ([]migration, error) {
	dir := path.Join("migrations", engine)
	entries, err := fs.ReadDir(migrations, dir)
	if err != nil {
		return nil, err
	}
	list := make([]migration, 0, len(entries))
	for i, entry := range entries {
		number, _, _ := strings.Cut(entry.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", entry.Name(), i+1)
		}
		sql, err := fs.ReadFile(migrations, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, migration{version: version, sql: string(sql)})
	}
	return list, nil
}

// migrate brings a database up to date. Each migration is a transaction of its own, made with begin.
func migrate(ctx context.Context, q querier, engine, begin string) error {
	list, err := loadMigrations(engine)
	if err != nil {
		return err
	}
	if _, err := q.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY)`); err != nil {
		return err
	}
	tx := &Tx{ctx: ctx, q: q}
	var at *int
	if _, err := tx.row(`SELECT max(version) FROM migration`, nil, &at); err != nil {
		return err
	}
	done := 0
	if at != nil {
		done = *at
	}
	if done > len(list)+1 {
		return ErrTooNew
	}
	for _, m := range list[min(done, len(list)):] {
		if err := m.apply(ctx, q, begin); err != nil {
			return fmt.Errorf("migration %d: %w", m.version, err)
		}
	}
	return nil
}

func (m migration) apply(ctx context.Context, q querier, begin string) error {
	if _, err := q.ExecContext(ctx, begin); err != nil {
		return err
	}
	for _, statement := range []string{m.sql, `INSERT INTO migration (version) VALUES (` + strconv.Itoa(m.version) + `)`, `COMMIT`} {
		if _, err := q.ExecContext(ctx, statement); err != nil {
			_, rollback := q.ExecContext(ctx, `ROLLBACK`)
			return errors.Join(err, rollback)
		}
	}
	return nil
}
