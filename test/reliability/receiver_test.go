package reliability

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/whatsapp-operator/whatsapp-operator/test/syncbuffer"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// receiverVariable holds the settings of a process that is a receiver.
const receiverVariable = "RELIABILITY_RECEIVER"

// settings are what a receiver is started with.
type settings struct {
	ConfigDir string
	// DataDir is the directory of the embedded store, and DSN leads to PostgreSQL, which is used if it is set.
	DataDir, DSN string
	Limits       webhookserver.Limits
	// Careless takes the embedded store its syncs, which is what the other tests have to notice.
	Careless bool
}

func (s settings) open(ctx context.Context) (store.Store, error) {
	switch {
	case s.DSN != "":
		return store.OpenPostgres(ctx, store.PostgresOptions{DSN: func() (string, error) { return s.DSN, nil }, Schema: "channel"})
	case s.Careless:
		return openCareless(ctx, s.DataDir)
	}
	return store.OpenSQLite(ctx, store.SQLiteOptions{Dir: s.DataDir})
}

// mediaDir is where the files of messages are, empty for the database.
func (s settings) mediaDir() string {
	if s.DSN != "" {
		return ""
	}
	return filepath.Join(s.DataDir, "media")
}

// openCareless opens an embedded store and then lets it not wait for the disk.
func openCareless(ctx context.Context, dir string) (store.Store, error) {
	var connections []sqlite.ExecQuerierContext
	sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, _ string) error {
		connections = append(connections, c)
		return nil
	})
	s, err := store.OpenSQLite(ctx, store.SQLiteOptions{Dir: dir})
	if err != nil {
		return nil, err
	}
	for _, c := range connections {
		if _, err := c.ExecContext(ctx, `PRAGMA synchronous = OFF`, nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// runReceiver is the process of a receiver. It prints where it listens as soon as it takes webhooks.
func runReceiver(text string) int {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		panic(err)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	server, err := webhookserver.New(webhookserver.Options{
		ConfigDir: s.ConfigDir, MediaDir: s.mediaDir(), Limits: s.Limits, OpenStore: s.open, Log: log,
		PublicAddress: "127.0.0.1:0", PrivateAddress: "127.0.0.1:0", HealthAddress: "127.0.0.1:0",
	})
	if err == nil {
		go func() {
			<-server.Ready()
			_, _ = fmt.Fprintln(os.Stdout, server.PublicAddr(), server.PrivateAddr())
		}()
		err = server.Run(context.Background())
	}
	if err != nil {
		log.Error("the receiver ends", "error", err)
	}
	return webhookserver.ExitCode(err)
}

// receiver is a running process of a receiver.
type receiver struct {
	t               *testing.T
	cmd             *exec.Cmd
	public, private string
	log             *syncbuffer.Buffer
	ended           chan struct{}
}

// startReceiver starts a receiver and waits until it takes webhooks.
func startReceiver(t *testing.T, s settings) *receiver {
	t.Helper()
	r := launch(t, s)
	if r.public == "" {
		t.Fatalf("the receiver ended before it took webhooks:\n%s", r.log)
	}
	return r
}

// launch starts a receiver and waits until it takes webhooks or has ended.
func launch(t *testing.T, s settings) *receiver {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{t: t, log: &syncbuffer.Buffer{}, ended: make(chan struct{}), cmd: exec.Command("/proc/self/exe")}
	r.cmd.Env = append(os.Environ(), receiverVariable+"="+string(text))
	r.cmd.Stderr = r.log
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r.cmd.Stdout = in
	err = r.cmd.Start()
	_ = in.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); close(r.ended) }()
	t.Cleanup(r.kill)
	// It says nothing and ends if it cannot take webhooks.
	if line, err := bufio.NewReader(out).ReadString('\n'); err == nil {
		_, _ = fmt.Sscan(line, &r.public, &r.private)
	} else if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return r
}

// kill ends the receiver as a power cut does.
func (r *receiver) kill() {
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// exit waits until the receiver ends by itself, and returns its exit code.
func (r *receiver) exit() int {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatalf("the receiver goes on:\n%s", r.log)
	}
	return r.cmd.ProcessState.ExitCode()
}
