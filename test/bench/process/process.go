//go:build bench

package process

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// StartTimeout bounds how long a program may take until it answers, and until it ends.
const StartTimeout = time.Minute

// Process is a program that runs until the test ends.
type Process struct {
	t   *testing.T
	cmd *exec.Cmd
	// Output is what it printed. It may be read once the process has ended.
	Output bytes.Buffer
	ended  chan struct{}
}

// Start runs a program.
func Start(t *testing.T, name string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.CommandContext(context.Background(), name, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.Output, &p.Output
	// It ends with this process, however that ends.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(p.Kill)
	return p
}

// Kill ends the process as a crash does.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Stop ends the process as Kubernetes does.
func (p *Process) Stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(StartTimeout):
		p.t.Fatal("the process does not end")
	}
	if !p.cmd.ProcessState.Success() {
		p.t.Errorf("the process failed: %v\n%s", p.cmd.ProcessState, &p.Output)
	}
}

// Await waits until a condition holds, and fails the test if that takes too long, or the process ended before.
func (p *Process) Await(what string, patience time.Duration, condition func() bool) {
	p.t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	timeout := time.After(patience)
	for !condition() {
		select {
		case <-look.C:
		case <-p.ended:
			p.t.Fatalf("%s: the process ended: %v\n%s", what, p.cmd.ProcessState, &p.Output)
		case <-timeout:
			p.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// Listens tells whether somebody accepts connections at an address.
func Listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// proc reads a number from a file that the kernel keeps of the process, from the line with a name.
func (p *Process) proc(file, name string) int64 {
	p.t.Helper()
	path := fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file)
	data, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				p.t.Fatalf("%s: %v", path, err)
			}
			return n
		}
	}
	p.t.Fatalf("%s has no %s", path, name)
	return 0
}

const kib = 1 << 10

// MiB is the unit of memory.
const MiB = 1 << 20

// Memory is what the process has in memory now, in MiB.
func (p *Process) Memory() float64 { return float64(p.proc("status", "VmRSS")) * kib / MiB }

// Peak is the most that the process ever had in memory, in MiB.
func (p *Process) Peak() float64 { return float64(p.proc("status", "VmHWM")) * kib / MiB }

// Written is how many bytes the process has caused to be written to disks.
func (p *Process) Written() int64 { return p.proc("io", "write_bytes") }

// CPU is the processor time that the process has used.
func (p *Process) CPU() time.Duration {
	p.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')'):]))
	user, _ := strconv.Atoi(fields[12])
	system, _ := strconv.Atoi(fields[13])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// FreeAddress returns an address of this machine that nobody listens at.
func FreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
