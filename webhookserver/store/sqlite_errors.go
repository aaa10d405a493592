package store

import (
	"errors"
	"fmt"

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

// advise adds to an error of the volume what to do.
func advise(err error) error {
	var advice string
	switch code := sqliteCode(err); {
	case code == sqlite3.SQLITE_FULL, errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		advice = "the volume is full: enlarge the PersistentVolumeClaim (spec.receiver.storage.sqlite.size), and the receiver goes on by itself with everything that it acknowledged"
	case code == sqlite3.SQLITE_IOERR, code == sqlite3.SQLITE_CANTOPEN, code == sqlite3.SQLITE_READONLY, errors.Is(err, unix.EIO), errors.Is(err, unix.EROFS):
		advice = "the volume cannot be read or written: see what the node and the storage say about it and mend that; the receiver tries again by itself, and what it acknowledged is on the volume"
	case code == sqlite3.SQLITE_CORRUPT, code == sqlite3.SQLITE_NOTADB:
		advice = "the database looks damaged, which a volume that failed also causes: if a new start says so again, check the volume, and restore it from a copy"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}
