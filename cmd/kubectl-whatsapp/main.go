// Kubectl-whatsapp is a plugin of kubectl: in PATH, it is run as `kubectl whatsapp`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/plugin/command"
)

func main() {
	// The libraries' own logs are for programs, and might quote what is for the person alone.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, os.Args[1:], command.Options{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Watched: isTerminal(os.Stderr), Now: time.Now, Interval: time.Second,
	})
	stop()
	os.Exit(code)
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
