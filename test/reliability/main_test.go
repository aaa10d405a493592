package reliability

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideVariable tells a process that mounts and processes of its own are around it.
const insideVariable = "RELIABILITY_INSIDE"

func TestMain(m *testing.M) {
	if settings := os.Getenv(receiverVariable); settings != "" {
		os.Exit(runReceiver(settings))
	}
	if os.Getuid() == 0 && os.Getenv(insideVariable) == "" {
		if code, enclosed := enclose(); enclosed {
			os.Exit(code)
		}
	}
	if inside() {
		if err := ownMounts(); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func inside() bool { return os.Getenv(insideVariable) != "" }

// enclose runs the tests in namespaces of their own, so that what they mount and start is gone when they end, however
// they end.
func enclose() (code int, enclosed bool) {
	// The child is to be killed when this thread ends, which must not be before the process does.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, false
	}
	err := cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), true
	}
	return 0, true
}

// ownMounts makes sure that what is mounted here is not mounted for others, and that processes find each other.
func ownMounts() error {
	return errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
	)
}
