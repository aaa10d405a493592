// Command demo shows the whole path of a WhatsApp support line on the reader's own machine: a cluster of its own, the
// operator, a WhatsAppChannel that gets Ready, a customer's message that becomes a ticket, and a reply that arrives.
// Meta is simulated in the cluster; nothing leaves the machine.
//
//	go run ./hack/demo up
//	go run ./hack/demo down
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The client's own log is for programs; without this it complains that nobody reads it.
	log.SetLogger(logr.Discard())
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\n%v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	repository, err := findRepository()
	if err != nil {
		return err
	}
	c := newConsole(os.Stdout)
	m := &machine{console: c, repository: repository}
	switch {
	case len(args) == 1 && args[0] == "up":
		return show(ctx, c, m)
	case len(args) == 1 && args[0] == "down":
		return m.down(ctx)
	}
	return fmt.Errorf("usage: go run ./hack/demo up|down")
}

// findRepository is the folder above with the go.mod, so that the demo runs from anywhere in it.
func findRepository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "hack", "cluster")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("the demo runs from a clone of the repository; this folder is not in one")
		}
		folder = filepath.Dir(folder)
	}
}
