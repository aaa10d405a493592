package main

import (
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestProcessIsKnownByItsStart(t *testing.T) {
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := identify(sleep.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !p.alive() {
		t.Error("the process is not seen")
	}
	for name, other := range map[string]process{
		"none":                     {},
		"an earlier one of its id": {PID: p.PID, Start: "1", BootID: p.BootID},
		"one of an earlier boot":   {PID: p.PID, Start: p.Start, BootID: "another"},
	} {
		if other.alive() {
			t.Errorf("%s is taken for this process", name)
		}
		if err := other.stop(t.Context(), time.Second); err != nil {
			t.Error(err)
		}
	}
	if !p.alive() {
		t.Fatal("stopping another process ended this one")
	}
	if err := p.stop(t.Context(), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if p.alive() {
		t.Error("the process is still there")
	}
	if err := sleep.Wait(); err == nil {
		t.Error("the process ended by itself")
	}
}

func TestProcessStatOfCommandsWithBrackets(t *testing.T) {
	if got := statFields("7 (a) b) S 1 2"); !slices.Equal(got, []string{"S", "1", "2"}) {
		t.Errorf("got %q", got)
	}
}
