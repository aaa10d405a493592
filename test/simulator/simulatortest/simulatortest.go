// Package simulatortest runs the programs that simulate services, for their tests.
package simulatortest

import (
	"context"
	"sync"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/simulator"
	"github.com/whatsapp-operator/whatsapp-operator/test/syncbuffer"
)

// Program is a running program.
type Program struct {
	// Service and Control are where it listens, in the form of net.Listen.
	Service, Control string
	Logs             *syncbuffer.Buffer
	// Stop ends it and returns how it ended. It may be called again.
	Stop func() error
}

// Start starts a program on free ports of the loopback interface, and fails the test unless it ends well.
func Start(t *testing.T, run simulator.Run, args ...string) *Program {
	t.Helper()
	p := &Program{Logs: &syncbuffer.Buffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	listening, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		args := append([]string{"--listen=127.0.0.1:0", "--control-listen=127.0.0.1:0"}, args...)
		ended <- run(ctx, args, p.Logs, func(service, control string) {
			p.Service, p.Control = service, control
			close(listening)
		})
	}()
	select {
	case <-listening:
	case err := <-ended:
		cancel()
		t.Fatalf("it ended at once: %v", err)
	}
	p.Stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	return p
}
