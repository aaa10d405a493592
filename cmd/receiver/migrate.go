package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// migrate copies the embedded store, and the files of messages beside it, into PostgreSQL. It returns exit codes as run does.
func migrate(ctx context.Context, args []string, stderr io.Writer) int {
	var (
		from      storage
		configDir string
	)
	flags := flag.NewFlagSet("receiver migrate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	from.flags(flags, &configDir)
	err := flags.Parse(args)
	if err == nil && (from.schema == "" || flags.NArg() > 0) {
		err = errors.New("receiver migrate copies the embedded store in --data-dir into PostgreSQL; name the schema with --postgres-schema")
		_, _ = fmt.Fprintln(stderr, err)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	if err = from.complete(configDir); err == nil {
		err = store.CopyToPostgres(ctx, from.dataDir, from.postgres(log), from.copyFiles(log))
	}
	switch {
	case errors.Is(err, store.ErrNoStore), errors.Is(err, store.ErrInUse), errors.Is(err, store.ErrNotEmpty):
		log.Error("nothing was copied", "error", err)
		return 1
	case errors.Is(err, store.ErrDiffers):
		log.Error("the copy cannot be used", "error", err)
		return 1
	case err != nil:
		log.Error("the copy is not finished; run this again to go on", "error", err)
		return 1
	}
	log.Info("everything was copied and compared; the channel can use the PostgreSQL schema now", "schema", from.schema)
	return 0
}

// copyFiles returns what copies the files of messages from the volume into a database.
func (s *storage) copyFiles(log *slog.Logger) func(context.Context, store.Store) error {
	return func(ctx context.Context, to store.Store) error {
		from, err := media.OpenDir(s.volumeMediaDir())
		if err != nil {
			return err
		}
		n, err := media.Copy(ctx, from, &media.Table{Store: to, Clock: clock.System{}})
		if err == nil {
			log.Info("copied and compared the files of messages", "files", n)
		}
		return err
	}
}
