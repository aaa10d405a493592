// Receiver is the program that Meta calls with a channel's webhooks.
//
// The operator runs one for each WhatsAppChannel. It reads its configuration from mounted files, and needs no access
// to the Kubernetes API.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/whatsapp-operator/whatsapp-operator/version"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process. It returns the exit code: 0 after it was told to end, 1 after a failure that
// package config has no code for, 2 for wrong flags.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "migrate" {
		return migrate(ctx, args[1:], stderr)
	}
	options, where, level, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))
	options.Log = log
	options.MediaDir = where.mediaDir()
	options.OpenStore = func(ctx context.Context) (store.Store, error) { return where.open(ctx, log) }
	log.Info("starting", "version", version.String())
	server, err := webhookserver.New(options)
	if err == nil {
		err = server.Run(ctx)
	}
	if err != nil {
		log.Error("the receiver ends", "error", err)
		return webhookserver.ExitCode(err)
	}
	log.Info("ended")
	return 0
}

func parse(args []string, stderr io.Writer) (o webhookserver.Options, where storage, level slog.Level, err error) {
	flags := flag.NewFlagSet("receiver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.PublicAddress, "public-address", fmt.Sprintf(":%d", config.PublicPort), "where to listen for Meta's webhooks")
	flags.StringVar(&o.PrivateAddress, "private-address", fmt.Sprintf(":%d", config.PrivatePort), "where to listen for the private API")
	flags.StringVar(&o.HealthAddress, "health-address", fmt.Sprintf(":%d", config.HealthPort), "where to listen for health checks and metrics")
	flags.StringVar(&o.TLSDir, "tls-dir", "", "directory with tls.crt and tls.key for the public address; plain HTTP if empty")
	flags.BoolVar(&o.PrivateTLS, "private-tls", true, "serve the private API over TLS, with the certificate among the channel's files")
	where.flags(flags, &o.ConfigDir)
	minFree := flags.Int64("min-free-disk", 64, "least free space of the embedded store's volume, in MiB, below which webhooks are answered 503 for Meta to\nsend them again; on a small volume a tenth of it; files of messages leave twice as much; 0 for no limit")
	flags.Int64Var(&o.Limits.MaxBacklog, "max-backlog", 100_000, "number of stored webhooks that are not processed yet, above which more are answered 503 for Meta to send them\nagain; 0 for no limit")
	flags.TextVar(&level, "log-level", slog.LevelInfo, "least level of log lines: DEBUG, INFO, WARN or ERROR")
	if err := flags.Parse(args); err != nil {
		return o, where, 0, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q; all settings are flags, see --help", flags.Arg(0))
		_, _ = fmt.Fprintln(stderr, err)
		return o, where, 0, err
	}
	o.Limits.MinFreeDisk = *minFree << 20
	err = where.complete(o.ConfigDir)
	return o, where, level, err
}
