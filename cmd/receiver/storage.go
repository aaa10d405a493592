package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// storage is where a channel's data is.
type storage struct {
	// dataDir is the directory of the embedded store.
	dataDir string
	// schema is the PostgreSQL schema; empty to use the embedded store.
	schema string
	// dsnFile holds PostgreSQL's connection string.
	dsnFile string
}

func (s *storage) flags(flags *flag.FlagSet, configDir *string) {
	flags.StringVar(configDir, "config-dir", config.ChannelDir, "directory with the channel's configuration and secrets")
	flags.StringVar(&s.dataDir, "data-dir", config.DataDir, "directory of the embedded store, on a local or block volume")
	flags.StringVar(&s.schema, "postgres-schema", "", "PostgreSQL schema of this channel alone, to be used in place of the embedded store;\nthe connection string is read from the file "+config.PostgresDSNFile+" in the configuration directory")
}

// complete makes of the flags what the engines take.
func (s *storage) complete(configDir string) (err error) {
	s.dsnFile = filepath.Join(configDir, config.PostgresDSNFile)
	// SQLite names its file in a URI, which takes absolute paths only.
	s.dataDir, err = filepath.Abs(s.dataDir)
	return err
}

func (s *storage) open(ctx context.Context, log *slog.Logger) (store.Store, error) {
	if s.schema != "" {
		return store.OpenPostgres(ctx, s.postgres(log))
	}
	return store.OpenSQLite(ctx, store.SQLiteOptions{Dir: s.dataDir, Log: log})
}

// mediaDir is the directory of the files of messages; empty where they are in the database.
func (s *storage) mediaDir() string {
	if s.schema != "" {
		return ""
	}
	return s.volumeMediaDir()
}

// volumeMediaDir is the directory that the files have beside the embedded store.
func (s *storage) volumeMediaDir() string { return filepath.Join(s.dataDir, "media") }

func (s *storage) postgres(log *slog.Logger) store.PostgresOptions {
	return store.PostgresOptions{Schema: s.schema, Log: log, DSN: s.dsn}
}

// dsn reads the connection string anew, because it may have been rotated.
func (s *storage) dsn() (string, error) {
	data, err := os.ReadFile(s.dsnFile)
	if err != nil {
		return "", fmt.Errorf("read the connection string of PostgreSQL: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
