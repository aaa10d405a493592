//go:build bench

package receiver

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

// process is a program that runs until the test ends.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
}

func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.CommandContext(context.Background(), name, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	// It ends with this process, however that ends.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop ends the process as Kubernetes does.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(startTimeout):
		p.t.Fatal("the process does not end")
	}
	if !p.cmd.ProcessState.Success() {
		p.t.Errorf("the process failed: %v\n%s", p.cmd.ProcessState, &p.output)
	}
}

// await waits until a condition holds, and fails the test if that takes too long, or the process ended before.
func (p *process) await(what string, patience time.Duration, condition func() bool) {
	p.t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	timeout := time.After(patience)
	for !condition() {
		select {
		case <-look.C:
		case <-p.ended:
			p.t.Fatalf("%s: the process ended: %v\n%s", what, p.cmd.ProcessState, &p.output)
		case <-timeout:
			p.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// proc reads a number from a file that the kernel keeps of the process, from the line with a name.
func (p *process) proc(file, name string) int64 {
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

const (
	kib = 1 << 10
	mib = 1 << 20
)

// memory is what the process has in memory now, and peak the most it ever had, in MiB.
func (p *process) memory() float64 { return float64(p.proc("status", "VmRSS")) * kib / mib }
func (p *process) peak() float64   { return float64(p.proc("status", "VmHWM")) * kib / mib }

// written is how many bytes the process has caused to be written to disks.
func (p *process) written() int64 { return p.proc("io", "write_bytes") }

// cpu is the processor time that the process has used.
func (p *process) cpu() time.Duration {
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
