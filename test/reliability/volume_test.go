package reliability

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds what has to happen on a machine with much else to do. No test measures it.
const patience = 2 * time.Minute

// volume is an ext4 file system on a loop device.
type volume struct {
	t          *testing.T
	image, dir string
	mounted    bool
}

// newVolume makes and mounts a volume of a size in MiB, or skips the test where that cannot be done.
func newVolume(t *testing.T, size int64) *volume {
	t.Helper()
	if why := noVolumes(); why != "" {
		t.Skip("SKIPPED, so nothing is known of power cuts and failing disks on this machine: " + why)
	}
	// The directory of a test is closed to the user that PostgreSQL runs as.
	dir, err := os.MkdirTemp("", "volume") //nolint:usetesting // For the reason above.
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	v := &volume{t: t, image: filepath.Join(t.TempDir(), "image"), dir: dir}
	if err := errors.Join(os.WriteFile(v.image, nil, 0o600), os.Truncate(v.image, size<<20)); err != nil {
		t.Fatal(err)
	}
	v.do("mkfs.ext4", "-q", "-F", "-m", "0", v.image)
	v.mount()
	t.Cleanup(func() {
		v.unmount()
		_ = os.Remove(dir)
	})
	return v
}

// noVolumes says why there can be no volumes; empty if there can.
func noVolumes() string {
	if !inside() {
		return "this needs root, with the right to make mount and process namespaces"
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return "there are no loop devices: " + err.Error()
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		return "there is no mkfs.ext4, which Debian has in the package e2fsprogs"
	}
	return ""
}

func (v *volume) do(name string, args ...string) {
	v.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		v.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func (v *volume) mount() {
	v.t.Helper()
	// The loop device goes with the mount.
	v.do("mount", "-t", "ext4", "-o", "loop", v.image, v.dir)
	v.mounted = true
}

// unmount waits for the last process that uses the volume.
func (v *volume) unmount() {
	v.t.Helper()
	if !v.mounted {
		return
	}
	v.mounted = false
	deadline, look := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer look.Stop()
	for {
		err := unix.Unmount(v.dir, 0)
		if err == nil {
			return
		}
		select {
		case <-look.C:
		case <-deadline:
			v.t.Fatalf("unmount: %v", err)
		}
	}
}

// remount is what a machine does that comes up again.
func (v *volume) remount() {
	v.t.Helper()
	v.unmount()
	v.mount()
}

func (v *volume) sync() {
	v.t.Helper()
	v.with(unix.Syncfs)
}

const (
	// shutdownRequest is FS_IOC_SHUTDOWN, and noFlush its argument that loses what is not on the device yet.
	shutdownRequest = 0x8004587d
	noFlush         = 2
)

// cut takes the power: what is not on the device is lost, and nothing can be read or written any more.
func (v *volume) cut() {
	v.t.Helper()
	v.with(func(fd int) error { return unix.IoctlSetPointerInt(fd, shutdownRequest, noFlush) })
}

func (v *volume) with(fn func(fd int) error) {
	v.t.Helper()
	dir, err := os.Open(v.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	defer dir.Close()
	if err := fn(int(dir.Fd())); err != nil {
		v.t.Fatal(err)
	}
}

// fill leaves nothing free on the volume, and returns what frees it again.
func (v *volume) fill() (free func()) {
	v.t.Helper()
	return v.fillTo(0)
}

// fillTo leaves so many bytes free on the volume, or what others leave of them.
func (v *volume) fillTo(left int64) (free func()) {
	v.t.Helper()
	name := filepath.Join(v.dir, "ballast")
	file, err := os.Create(name)
	if err != nil {
		v.t.Fatal(err)
	}
	defer file.Close()
	// What is smaller than a block has room in one that is taken already.
	for size := int64(1 << 20); size >= 4096; {
		var stat unix.Statfs_t
		if err := unix.Fstatfs(int(file.Fd()), &stat); err != nil {
			v.t.Fatal(err)
		}
		if int64(stat.Bavail)*stat.Bsize-size < left {
			size /= 2
			continue
		}
		if _, err := file.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			v.t.Fatal(err)
		}
	}
	return func() {
		v.t.Helper()
		if err := os.Remove(name); err != nil {
			v.t.Fatal(err)
		}
	}
}
