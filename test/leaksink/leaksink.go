// Package leaksink finds secrets and customers' data in logs. A test binary sends its logs through a Sink, and fails
// when a line holds something that must never be logged:
//
//	func TestMain(m *testing.M) {
//		leaksink.Register(appSecret, accessToken)
//		ctrl.SetLogger(leaksink.Logger())
//		os.Exit(leaksink.Run(m))
//	}
//
// Lines are looked at whatever their level, so that nothing hides behind a verbosity that tests do not use.
package leaksink

import (
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/go-logr/logr"
)

// Leak is a log line that must not be.
type Leak struct {
	// Line is the whole line, as it would have been logged.
	Line string
	// What says what was found in it.
	What string
}

func (l Leak) String() string { return l.What + " in a log line: " + l.Line }

// Sink looks at log lines and remembers those that leak. It may be used by several goroutines at once.
type Sink struct {
	mu      sync.Mutex
	secrets []string
	allowed []string
	leaks   []Leak
}

// New makes a Sink for one test, which fails when the test is over and a line leaked.
func New(tb testing.TB) *Sink {
	tb.Helper()
	s := &Sink{}
	tb.Cleanup(func() {
		for _, leak := range s.Leaks() {
			tb.Error(leak)
		}
	})
	return s
}

// Leaks are the lines that leaked so far.
func (s *Sink) Leaks() []Leak {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Leak(nil), s.leaks...)
}

// process is the Sink of the whole test binary.
var process = &Sink{}

// Register adds values that no line of this test binary may hold: see [Sink.Register].
func Register(values ...string) { process.Register(values...) }

// Allow adds values that are no phone numbers: see [Sink.Allow].
func Allow(values ...string) { process.Allow(values...) }

// Writer looks at what is written by this test binary: see [Sink.Writer].
func Writer(next io.Writer) io.Writer { return process.Writer(next) }

// Handler looks at the records of this test binary: see [Sink.Handler].
func Handler(next slog.Handler) slog.Handler { return process.Handler(next) }

// Logger looks at what is logged with it by this test binary: see [Sink.Logger].
func Logger() logr.Logger { return process.Logger(logr.Discard()) }

// Run runs the tests with the default loggers of log and log/slog sent through the sink. It returns the exit code for
// os.Exit, which is not 0 when a line leaked. m is a *testing.M.
func Run(m interface{ Run() int }) int {
	return process.run(m, os.Stderr)
}

func (s *Sink) run(m interface{ Run() int }, report io.Writer) int {
	previous, output, flags := slog.Default(), log.Writer(), log.Flags()
	defer func() {
		slog.SetDefault(previous)
		log.SetOutput(output)
		log.SetFlags(flags)
	}()
	// slog.SetDefault sends package log through the handler as well, so what log writes is looked at first.
	slog.SetDefault(slog.New(s.Handler(nil)))
	log.SetFlags(0)
	log.SetOutput(s.Writer(output))

	code := m.Run()
	for _, leak := range s.Leaks() {
		fmt.Fprintln(report, "FAIL:", leak)
		code = max(code, 1)
	}
	return code
}
