//go:build bench

package receiver

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var (
	programs     = flag.String("programs", "", "directory with the programs receiver and ceiling, as they are shipped")
	rounds       = flag.Int("rounds", 5, "how often rates are measured, in turn")
	roundTime    = flag.Duration("round", 5*time.Second, "how long a rate is measured for")
	openLoopTime = flag.Duration("openloop", 5*time.Minute, "how long webhooks are sent at given times")
)

const (
	// connections is how many connections rates are measured with.
	connections = 64
	// warmup is how long the same load runs before it is measured.
	warmup = time.Second
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *programs == "" {
		fmt.Fprintln(os.Stderr, "use `make bench BENCH=receiver`, which builds what is measured")
		os.Exit(2)
	}
	os.Exit(m.Run())
}

func program(name string) string { return filepath.Join(*programs, name) }
