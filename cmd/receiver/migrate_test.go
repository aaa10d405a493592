package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func TestMigrateBringsTheFilesAlong(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	dataDir, configDir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(configDir, config.PostgresDSNFile), []byte(server.DSN()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	embedded, err := store.OpenSQLite(t.Context(), store.SQLiteOptions{Dir: dataDir})
	if err != nil {
		t.Fatal(err)
	}
	if err := embedded.Close(); err != nil {
		t.Fatal(err)
	}
	here := storage{dataDir: dataDir}
	dir, err := media.OpenDir(here.mediaDir())
	if err != nil {
		t.Fatal(err)
	}
	id, want := conversation.FileID("a"), strings.Repeat("a file of a message", 50_000)
	draft, err := dir.Draft(t.Context())
	if err == nil {
		_, err = io.WriteString(draft, want)
	}
	if err == nil {
		err = draft.Keep(id)
	}
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	if code := run(context.Background(), []string{"migrate", "--postgres-schema=channel", "--data-dir=" + dataDir, "--config-dir=" + configDir}, &stderr); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, &stderr)
	}
	there := storage{schema: "channel", dsnFile: filepath.Join(configDir, config.PostgresDSNFile)}
	if there.mediaDir() != "" {
		t.Error("with PostgreSQL, files are on the disk of the pod")
	}
	copied, err := there.open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	file, err := (&media.Table{Store: copied, Clock: clock.System{}}).Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(file); err != nil || string(got) != want {
		t.Errorf("the copy has %d bytes, %v; want %d", len(got), err, len(want))
	}
}
