package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A supervisor is the node's first process. It starts the components, starts those again that end, collects
// the orphans of the whole node, and stops the components in reverse order when it is told to.
type supervisor struct {
	node    *node
	reaper  reaper
	mu      sync.Mutex
	running map[string]int // Process ids by component.
	ending  bool
}

// supervise is the life of the node. It starts when the other end of start has written, and ends at once if
// that went away without: nobody would know of this process then.
func supervise(n *node, start *os.File) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	s := &supervisor{node: n, running: map[string]int{}, reaper: newReaper()}
	if err := enterNode(n.dir, n.builder.cache, n.Name); err != nil {
		return err
	}
	if count, err := start.Read(make([]byte, 1)); count != 1 {
		return fmt.Errorf("not started: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.reaper.run()
	for _, c := range n.components() {
		go s.keep(ctx, c)
	}
	log.Printf("%v: stopping", <-signals)
	cancel()
	s.stop()
	return nil
}

// keep runs the component again and again.
func (s *supervisor) keep(ctx context.Context, c component) {
	const shortest, longest = 500 * time.Millisecond, 10 * time.Second
	delay := shortest
	for {
		if !s.awaitNeeds(ctx, c) {
			return
		}
		begin := time.Now()
		ended, err := s.start(c)
		if err != nil {
			log.Printf("%s: %v", c.name, err)
		} else if status := <-ended; ctx.Err() == nil {
			log.Printf("%s ended (exit code %d, signal %d) and is started again", c.name, status.ExitStatus(), status.Signal())
		}
		if time.Since(begin) > time.Minute {
			delay = shortest
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		delay = min(2*delay, longest)
	}
}

// awaitNeeds waits until what the component needs is healthy.
func (s *supervisor) awaitNeeds(ctx context.Context, c component) bool {
	for _, other := range s.node.components() {
		if !slices.Contains(c.needs, other.name) {
			continue
		}
		for other.healthy(ctx, insideView) != nil {
			select {
			case <-ctx.Done():
				return false
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return ctx.Err() == nil
}

// start starts the component, with its log in the cluster's folder.
func (s *supervisor) start(c component) (<-chan syscall.WaitStatus, error) {
	binary, err := s.node.binary(c)
	if err != nil {
		return nil, err
	}
	output, err := os.OpenFile(filepath.Join(nodeDir, "log", c.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer nothing.Close()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil, errors.New("not started, the node is stopping")
	}
	pid, ended, err := s.reaper.start(binary, append([]string{c.name}, c.args...), &syscall.ProcAttr{
		Dir:   "/",
		Env:   environment(c),
		Files: []uintptr{nothing.Fd(), output.Fd(), output.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err == nil {
		s.running[c.name] = pid
	}
	return ended, err
}

// binary is the component's program as the node sees it.
func (n *node) binary(c component) (string, error) {
	if c.program.name == "" {
		return exec.LookPath(c.name)
	}
	relative, ok := n.Programs[c.program.name]
	if !ok {
		return "", fmt.Errorf("no program is recorded for it")
	}
	return filepath.Join(nodeCache, relative), nil
}

// environment is what a component is given. Only containerd, which pulls images, leaves by the machine's proxy.
func environment(c component) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=/root"}
	if c.name != "containerd" {
		return env
	}
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			env = append(env, entry)
		}
	}
	return env
}

// stop ends the components, the last one first. What remains, pods above all, ends with this process.
func (s *supervisor) stop() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	components := s.node.components()
	slices.Reverse(components)
	for _, c := range components {
		s.mu.Lock()
		pid := s.running[c.name]
		s.mu.Unlock()
		if pid == 0 {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			continue // It has ended already.
		}
		if !poll(context.Background(), 3*time.Second, func() bool { return syscall.Kill(pid, 0) != nil }) {
			syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // It may end at this moment.
		}
	}
}

// A reaper collects every process that ends, as the first process of a node must, and tells those who
// started one. os/exec cannot be used beside it: both would wait for the same processes.
type reaper struct {
	mu       *sync.Mutex
	started  map[int]chan<- syscall.WaitStatus
	children chan os.Signal
}

func newReaper() reaper {
	r := reaper{mu: &sync.Mutex{}, started: map[int]chan<- syscall.WaitStatus{}, children: make(chan os.Signal, 1)}
	signal.Notify(r.children, syscall.SIGCHLD)
	return r
}

// start starts a process; its end is sent to the channel.
func (r reaper) start(binary string, argv []string, attr *syscall.ProcAttr) (int, <-chan syscall.WaitStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock() // Held until the process is known, so that run cannot collect it before.
	pid, err := syscall.ForkExec(binary, argv, attr)
	if err != nil {
		return 0, nil, fmt.Errorf("starting %s: %w", binary, err)
	}
	ended := make(chan syscall.WaitStatus, 1)
	r.started[pid] = ended
	return pid, ended, nil
}

func (r reaper) run() {
	for range r.children {
		for r.collect() {
		}
	}
}

// collect collects one process and tells whether there was one.
func (r reaper) collect() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	if errors.Is(err, syscall.EINTR) {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	if ended, ok := r.started[pid]; ok {
		delete(r.started, pid)
		ended <- status
	}
	return true
}
