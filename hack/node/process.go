package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is one process and no other: ids are given again, and after a reboot to anybody.
type process struct {
	PID    int    `json:"pid"`
	Start  string `json:"start"`  // Clock ticks from boot to its start.
	BootID string `json:"bootID"` // Of the boot in which it runs.
}

// identify names the running process with this id.
func identify(pid int) (process, error) {
	start, _, err := processStat(pid)
	if err != nil {
		return process{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, err
	}
	return process{PID: pid, Start: start, BootID: strings.TrimSpace(string(boot))}, nil
}

// alive tells whether this very process still runs; a zombie does not.
func (p process) alive() bool {
	if p.PID == 0 {
		return false
	}
	now, err := identify(p.PID)
	if err != nil || now != p {
		return false
	}
	_, state, err := processStat(p.PID)
	return err == nil && state != "Z" && state != "X"
}

// stop asks the process to end, and ends it if it has not within the grace.
func (p process) stop(ctx context.Context, grace time.Duration) error {
	for _, step := range []struct {
		signal syscall.Signal
		grace  time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, 10 * time.Second}} {
		if !p.alive() {
			return nil
		}
		if err := syscall.Kill(p.PID, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending process %d: %w", p.PID, err)
		}
		if poll(ctx, step.grace, func() bool { return !p.alive() }) {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", p.PID)
}

// processStat reads a process's start and state from /proc.
func processStat(pid int) (start, state string, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", err
	}
	fields := statFields(string(text))
	if len(fields) < 20 {
		return "", "", fmt.Errorf("cannot read /proc/%d/stat", pid)
	}
	return fields[19], fields[0], nil
}

// statFields are the fields of a process's stat file from its state on: what comes before, the id and the
// command in brackets, may hold blanks and brackets itself.
func statFields(stat string) []string {
	return strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
}

// children maps the names of the programs that the process started to their ids.
func (p process) children() map[string]int {
	children := map[string]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // It ended meanwhile.
		}
		fields := statFields(string(text))
		if len(fields) < 2 || fields[1] != strconv.Itoa(p.PID) {
			continue
		}
		program, err := os.Readlink(filepath.Join(filepath.Dir(stat), "exe"))
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		children[filepath.Base(program)] = pid
	}
	return children
}

// poll asks until the answer is yes, and tells whether it was within the limit.
func poll(ctx context.Context, limit time.Duration, ask func() bool) bool {
	deadline := time.Now().Add(limit)
	for {
		if ask() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
}
