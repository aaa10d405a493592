package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

func TestFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":                {[]string{"--help"}, 0, "-data-dir"},
		"an unknown flag":     {[]string{"--prot=1"}, 2, "prot"},
		"an argument":         {[]string{"serve"}, 2, "unexpected argument"},
		"a level that is not": {[]string{"--log-level=LOUD"}, 2, "log-level"},
		"no data directory":   {addresses("--data-dir=/nonexistent/dir"), 1, "no such file or directory"},
		"a copy to nowhere":   {[]string{"migrate"}, 2, "--postgres-schema"},
		"a copy of nothing":   {[]string{"migrate", "--postgres-schema=channel", "--data-dir=/nonexistent/dir"}, 1, "there is no embedded store"},
		"an address in use":   {[]string{"--public-address=256.0.0.1:1"}, 1, "listen for webhooks"},
	} {
		var stderr bytes.Buffer
		if code := run(context.Background(), tc.args, &stderr); code != tc.code || !strings.Contains(stderr.String(), tc.says) {
			t.Errorf("%s: exit code %d, want %d:\n%s", name, code, tc.code, &stderr)
		}
	}
}

// Who calls for a copy that cannot begin is not told to call again.
func TestACopyThatCannotBeginSaysSo(t *testing.T) {
	var stderr bytes.Buffer
	code := run(context.Background(), []string{"migrate", "--postgres-schema=channel", "--data-dir=" + t.TempDir()}, &stderr)
	if said := stderr.String(); code != 1 || strings.Contains(said, "run this again") || !strings.Contains(said, "nothing was copied") {
		t.Errorf("exit code %d, %s", code, said)
	}
}

func TestADamagedDatabaseHasAnExitCodeOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "receiver.db"), bytes.Repeat([]byte("not a database. "), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	if code := run(context.Background(), addresses("--data-dir="+dir), &stderr); code != config.ExitDataDamaged {
		t.Errorf("exit code %d:\n%s", code, &stderr)
	}
}

func TestItEndsWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stderr bytes.Buffer
	// There is no configuration, so it waits for one, until it is told to end.
	if code := run(ctx, addresses("--data-dir="+t.TempDir(), "--config-dir="+t.TempDir()), &stderr); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &stderr)
	}
}

func TestTheDataDirectoryMayBeRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var stderr bytes.Buffer
	done := make(chan int)
	go func() { done <- run(ctx, addresses("--data-dir=.", "--config-dir="+t.TempDir()), &stderr) }()
	gomega.NewWithT(t).Eventually("receiver.db-wal").WithTimeout(time.Minute).Should(gomega.BeAnExistingFile(), "the store is open")
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d:\n%s", code, &stderr)
	}
}

func addresses(more ...string) []string {
	return append([]string{"--public-address=127.0.0.1:0", "--private-address=127.0.0.1:0", "--health-address=127.0.0.1:0"}, more...)
}
