//go:build bench

package operator

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

var (
	programs  = flag.String("programs", "", "directory with the program manager, as it is shipped")
	channels  = flag.Int("channels", 1000, "how many channels there are")
	foreign   = flag.Int("foreign", 1000, "how many Secrets of 100 KiB there are that are nothing to the operator")
	failovers = flag.Int("failovers", 3, "how often a leader is killed, and how often it is stopped")
	idleTime  = flag.Duration("idle", 10*time.Minute, "how long nothing happens")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *programs == "" || !secluded() {
		fmt.Fprintln(os.Stderr, "use `make bench BENCH=operator`, which builds what is measured, and gives it a network of its own")
		os.Exit(2)
	}
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "set up a network for the benchmark alone:", err)
		os.Exit(1)
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

func program(name string) string { return filepath.Join(*programs, name) }
