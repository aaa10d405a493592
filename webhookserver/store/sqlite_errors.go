package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// fatal tells the errors after which neither the file nor SQLite's view of it can be trusted. After a failed write
// SQLite may even report a sound file as corrupt, so nothing is retried or repaired in this process.
func fatal(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM:
		return true
	}
	return false
}

// sqliteCode is SQLite's primary result code, SQLITE_OK if the error is not SQLite's.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return sqlite3.SQLITE_OK
	}
	return e.Code() & 0xff
}

// What is the matter with the embedded store's volume. Whoever opens the store again may find it mended.
var (
	// ErrVolumeFull means that the volume is full.
	ErrVolumeFull = errors.New("the volume is full")
	// ErrVolumeFailed means that the volume does not let itself be read or written.
	ErrVolumeFailed = errors.New("the volume cannot be read or written")
	// ErrDamaged means that the file is not a sound database, or that the volume returns something else than what is in it.
	ErrDamaged = errors.New("the database looks damaged")
)

// advise adds to an error of the volume that holds dir which of the three it is, and what to do.
func advise(err error, dir string) error {
	switch code := sqliteCode(err); {
	case code == sqlite3.SQLITE_FULL, errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT),
		// Where a file beside the database finds no room, SQLite speaks of an input or output error.
		(code == sqlite3.SQLITE_IOERR || code == sqlite3.SQLITE_CANTOPEN) && full(dir):
		return fmt.Errorf("%w; %w: enlarge the PersistentVolumeClaim (spec.receiver.storage.sqlite.size), and the receiver goes on by itself with everything that it acknowledged", err, ErrVolumeFull)
	case code == sqlite3.SQLITE_IOERR, code == sqlite3.SQLITE_CANTOPEN, code == sqlite3.SQLITE_READONLY, errors.Is(err, unix.EIO), errors.Is(err, unix.EROFS),
		// What a volume that failed loses from memory, SQLite reads as zeros, and calls it damage.
		(code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB) && failing(dir):
		return fmt.Errorf("%w; %w: see what the node and the storage say about it and mend that; the receiver tries again by itself, and what it acknowledged is on the volume", err, ErrVolumeFailed)
	case code == sqlite3.SQLITE_CORRUPT, code == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w; %w, which a volume that failed also causes: if a new start says so again, check the volume, and restore it from a copy", err, ErrDamaged)
	}
	return err
}

// leastRoom is less than any write of SQLite that begins a file.
const leastRoom = 32 << 10

// full reports whether the volume that holds a directory has no room for another file.
func full(dir string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(dir, &stat) == nil && int64(stat.Bavail)*stat.Bsize < leastRoom //nolint:gosec // No volume has more than a positive number can count.
}

// failing reports whether no file can be made on the volume that holds a directory and be brought to its device, although
// it has room.
func failing(dir string) bool {
	file, err := os.CreateTemp(dir, "probe-*")
	if err == nil {
		err = errors.Join(file.Sync(), file.Close(), os.Remove(file.Name()))
	}
	return err != nil && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT)
}
