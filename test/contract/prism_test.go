//go:build contract

package contract

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The parts of Meta's OpenAPI document: with the calls on phone numbers and
// business accounts, and with those on files. Whole, the document cannot be
// served: paths of different objects, all of the form /{Version}/{ID}, hide
// each other.
const (
	phoneSlice = "slice-phone.yaml"
	mediaSlice = "slice-media.yaml"
)

// prismStart bounds how long Prism may take to read a document, on a machine
// that is busy with other things.
const prismStart = 2 * time.Minute

var prismReady = regexp.MustCompile(`Prism is listening on (http://127\.0\.0\.1:[0-9]+)`)

// startPrism serves a document on a free port of the loopback interface until
// the test is over, and returns the base URL.
func startPrism(t *testing.T, document string) string {
	t.Helper()
	main := installed(t, "@stoplight", "prism-cli", "dist", "index.js")
	leash, err := filepath.Abs("leash.cjs")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	command := exec.CommandContext(ctx, "node", "--require", leash, main, "mock", "--host", "127.0.0.1", "--port", "0", document)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	// The other end stays open as long as this process lives; see leash.cjs.
	if _, err := command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, log := io.Pipe()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	ended := make(chan error, 1)
	go func() { found <- readLog(output) }()
	go func() {
		err := command.Wait()
		_ = log.Close()
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	select {
	case base := <-found:
		if !strings.HasPrefix(base, "http://") {
			t.Fatalf("Prism does not serve %s:\n%s", document, base)
		}
		return base
	case <-time.After(prismStart):
		t.Fatalf("Prism does not serve %s within %s", document, prismStart)
	}
	return ""
}

// readLog returns the URL that Prism says it listens on, or all it says, where
// it ends before. It goes on reading then, so that Prism never blocks.
func readLog(output io.Reader) string {
	var said strings.Builder
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if ready := prismReady.FindStringSubmatch(line); ready != nil {
			go func() { _, _ = io.Copy(io.Discard, lines) }()
			return ready[1]
		}
		said.WriteString(line)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				said.WriteString(err.Error())
			}
			return said.String()
		}
	}
}
