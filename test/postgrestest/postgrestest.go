// Package postgrestest runs a real PostgreSQL server for a test, from the programs of Debian's package postgresql.
//
// The server listens on a Unix socket in a directory of its own and nowhere else. As root, it runs as the user nobody,
// because PostgreSQL refuses to run as root. It ends with the test, and with the test's process however that ends.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout bounds how long a server may take until it answers, on a machine with much else to do.
const startTimeout = 2 * time.Minute

// Options say how to run a server.
type Options struct {
	// Dir is the directory that holds the server's data and socket; empty for one that is removed after the test.
	// A directory with the data of an earlier server is taken up again.
	Dir string
	// Synced makes a new server's data durable before it starts, which takes time that is wasted where no disk fails.
	Synced bool
	// Settings are parameters of the server, as in postgresql.conf.
	Settings map[string]string
}

// Server is a running PostgreSQL.
type Server struct {
	tb       testing.TB
	bin, dir string
	synced   bool
	settings map[string]string

	leash  io.Closer
	ended  chan struct{}
	output string
	// pid is that of the server, noted while it could be read.
	pid int
}

// Start runs a server until the test ends. If it cannot, the test fails: nothing that needs a database is skipped.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	bin, err := programs()
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, bin: bin, dir: o.Dir, synced: o.Synced, settings: o.Settings}
	if s.dir == "" {
		// The path of a socket may be no longer than 107 bytes, which the directory of a test can exceed.
		if s.dir, err = os.MkdirTemp("", "postgres"); err != nil { //nolint:usetesting // For the reason above.
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	}
	s.output = filepath.Join(s.dir, "log")
	if _, err := os.Stat(filepath.Join(s.dir, "data", "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		s.create()
	}
	s.Run()
	tb.Cleanup(s.Stop)
	return s
}

// programs finds the directory with initdb and postgres, which Debian keeps out of the path.
func programs() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return release(b) - release(a) })
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(initdb), nil
	}
	return "", errors.New("there is no PostgreSQL server on this machine; run hack/postgres, which installs Debian's package postgresql, or put initdb and postgres into the path")
}

func release(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// create makes an empty database cluster.
func (s *Server) create() {
	s.tb.Helper()
	if id := unprivileged(s.tb); id != nil {
		if err := os.Chown(s.dir, int(id.Uid), int(id.Gid)); err != nil {
			s.tb.Fatal(err)
		}
	}
	args := []string{
		"--pgdata", filepath.Join(s.dir, "data"), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions",
	}
	if !s.synced {
		args = append(args, "--no-sync")
	}
	cmd := s.command(filepath.Join(s.bin, "initdb"), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.tb.Fatalf("make a PostgreSQL database in %s: %v\n%s", s.dir, err, out)
	}
}

// unprivileged returns the user to run as, nil for the present one.
func unprivileged(tb testing.TB) *syscall.Credential {
	tb.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		tb.Fatalf("PostgreSQL does not run as root, and there is no user nobody to run it as: %v", err)
	}
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	s.tb.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "PGDATA=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged(s.tb), Setpgid: true}
	return cmd
}

// leash runs a program until it ends, or until its own input ends, which it does when the process ends that holds the
// other end.
const leash = `exec 3<&0; "$@" 3<&- & pid=$!; { cat <&3 >/dev/null; kill -QUIT $pid 2>/dev/null; } & exec 3<&-; wait $pid`

// Run starts the server again after Kill or Stop, and waits until it answers.
func (s *Server) Run() {
	s.tb.Helper()
	if err := s.TryRun(); err != nil {
		s.tb.Fatal(err)
	}
}

// TryRun is Run where the server may be beyond starting again. The error then quotes what it said.
func (s *Server) TryRun() error {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		s.launch()
		err := s.await(ctx)
		if err == nil {
			s.pid = s.PID()
			return nil
		}
		out, _ := os.ReadFile(s.output)
		// The processes of a server that was killed notice that one after the other.
		if ctx.Err() != nil || !strings.Contains(string(out), "is still in use") {
			s.Stop()
			return fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, out)
		}
	}
}

func (s *Server) launch() {
	s.tb.Helper()
	args := []string{
		"-c", leash, "sh", filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-k", s.dir,
		"-c", "listen_addresses=", "-c", "shared_buffers=32MB", "-c", "max_connections=200",
	}
	for name, value := range s.settings {
		args = append(args, "-c", name+"="+value)
	}
	log, err := os.Create(s.output)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer log.Close()
	cmd := s.command("/bin/sh", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.leash, err = cmd.StdinPipe(); err != nil {
		s.tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.tb.Fatalf("start PostgreSQL: %v", err)
	}
	ended := make(chan struct{})
	s.ended = ended
	go func() { _ = cmd.Wait(); close(ended) }()
}

// await waits until the server answers, or has ended.
func (s *Server) await(ctx context.Context) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.DSN())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-look.C:
		case <-s.ended:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// DSN is the connection string of the server's first user and database.
func (s *Server) DSN() string {
	return "postgres:///postgres?" + url.Values{"host": {s.dir}, "user": {"postgres"}, "sslmode": {"disable"}}.Encode()
}

// PID is the server's process ID, 0 if it does not run.
func (s *Server) PID() int {
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}

// Exec runs statements as the server's first user, past what is tested.
func (s *Server) Exec(statements ...string) {
	s.tb.Helper()
	conn, err := pgx.Connect(s.tb.Context(), s.DSN())
	if err != nil {
		s.tb.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range statements {
		if _, err := conn.Exec(s.tb.Context(), statement); err != nil {
			s.tb.Fatal(fmt.Errorf("%s: %w", statement, err))
		}
	}
}

// Demote starts the server again as a standby, as one is after a fail-over to another: it can be read and not written.
func (s *Server) Demote() {
	s.tb.Helper()
	s.Exec(`COPY (SELECT 1 WHERE false) TO '` + filepath.Join(s.dir, "data", "standby.signal") + `'`)
	s.Stop()
	s.Run()
}

// Stop ends the server and everything that it was doing.
func (s *Server) Stop() {
	if s.leash != nil {
		_ = s.leash.Close()
		<-s.ended
		s.leash = nil
	}
}

// Kill ends the server as a crash does: what it had not written is lost, and it has to recover.
func (s *Server) Kill() {
	s.tb.Helper()
	if s.leash == nil || s.pid == 0 {
		s.tb.Fatal("PostgreSQL does not run")
	}
	// Its other processes notice by themselves that it is gone. It is gone already where its disk has failed.
	if err := syscall.Kill(s.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.tb.Fatal(err)
	}
	s.Stop()
}
