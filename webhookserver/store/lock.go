package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockRetry is how often a process looks whether the one before it has ended.
const lockRetry = 250 * time.Millisecond

// lockFile waits until this process is the only one that holds the file. The lock ends with the process, however that
// ends.
func lockFile(ctx context.Context, name string, o SQLiteOptions) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	for told := false; ; told = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock the store: %w", err), file.Close())
		}
		if !told {
			if o.inUse != nil {
				o.inUse()
			}
			o.Log.Info("another process still uses the store; waiting for it to end")
		}
		timer := o.Clock.NewTimer(lockRetry)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(ctx.Err(), file.Close())
		}
	}
}

// networkFileSystems are those on which SQLite's locks or syncs cannot be relied on, by their magic number.
var networkFileSystems = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.CODA_SUPER_MAGIC: "Coda",
	unix.NCP_SUPER_MAGIC:  "NCP",
	unix.V9FS_MAGIC:       "9P",
}

// ErrNetworkFileSystem means that the volume cannot keep the embedded store's promises.
var ErrNetworkFileSystem = errors.New("the embedded store needs a block volume")

func refuseNetworkFileSystem(dir string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("look at the file system of the store: %w", err)
	}
	return refuseFileSystem(int64(uint32(stat.Type))) //nolint:gosec // It has 32 bits, which some machines sign-extend.
}

func refuseFileSystem(magic int64) error {
	if name, refused := networkFileSystems[magic]; refused {
		return fmt.Errorf("%w: %s loses data when the power fails; choose a storage class with block volumes", ErrNetworkFileSystem, name)
	}
	return nil
}
