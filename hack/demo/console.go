package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// console tells a person what happens: numbered steps, what each of them shows, and how long all of it has taken.
type console struct {
	out     io.Writer
	started time.Time
	steps   int
}

func newConsole(out io.Writer) *console { return &console{out: out, started: time.Now()} }

// step begins the next step.
func (c *console) step(format string, args ...any) {
	c.steps++
	fmt.Fprintf(c.out, "\n%d. %s  [%s]\n", c.steps, fmt.Sprintf(format, args...), c.elapsed())
}

// say explains something within a step.
func (c *console) say(format string, args ...any) {
	c.show(fmt.Sprintf(format, args...))
}

// show prints text as it is, indented below its step.
func (c *console) show(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(c.out, "   %s\n", strings.TrimRight(line, "\n"))
	}
}

func (c *console) elapsed() string {
	elapsed := time.Since(c.started).Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(elapsed.Minutes()), int(elapsed.Seconds())%60)
}

// run runs a program in a folder and shows what it says while it does.
func (c *console) run(ctx context.Context, folder string, environment []string, name string, args ...string) error {
	fmt.Fprintf(c.out, "   $ %s %s\n", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), environment...)
	// Interrupted, the program ends by itself and removes what it has begun.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		lines := bufio.NewReader(reader)
		for {
			line, err := lines.ReadString('\n')
			if strings.TrimSpace(line) != "" {
				c.show("  " + line)
			}
			if err != nil {
				return
			}
		}
	}()
	err := cmd.Run()
	_ = writer.Close()
	<-shown
	if err != nil {
		return fmt.Errorf("%s %s did not succeed (%w); what it said is above", name, strings.Join(args, " "), err)
	}
	return nil
}

// wait asks until the answer is yes. It says what blocks whenever that changes, and that it still waits every ten
// seconds.
func (c *console) wait(ctx context.Context, check func(context.Context) (done bool, blocks string)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	said, saidAt := "", time.Now()
	for {
		done, blocks := check(ctx)
		if done {
			return nil
		}
		if blocks != said || time.Since(saidAt) >= 10*time.Second {
			c.say("[%s] waiting: %s", c.elapsed(), blocks)
			said, saidAt = blocks, time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up after %s: %s", patience, blocks)
		case <-ticker.C:
		}
	}
}
