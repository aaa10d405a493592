package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// progress tells a person what is being done. It goes to stderr: stdout is for results.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// lock takes an exclusive lock on the file, and says what it waits for where somebody else holds it.
// The kernel gives it back when the process ends, however it ends.
func lock(ctx context.Context, file, waitsFor string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	held, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	try := func() bool {
		err = syscall.Flock(int(held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		return !errors.Is(err, syscall.EWOULDBLOCK)
	}
	if !try() {
		progress("waiting for %s", waitsFor)
		poll(ctx, time.Hour, try)
	}
	if err != nil {
		held.Close()
		return nil, fmt.Errorf("locking %s: %w", file, err)
	}
	return func() { held.Close() }, nil
}

// tail is the end of a log, indented, for an error message.
func tail(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "  (" + err.Error() + ")"
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}
