// Package media keeps the files of messages: what customers send, and what agents attach. They are on the channel's
// volume, or in the channel's database where there is no volume.
//
// A file appears under its ID whole, or not at all: it is written elsewhere, made durable, and then named.
package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"time"
)

// Files keeps files under their IDs, which are 32 hexadecimal digits. It is safe for concurrent use.
type Files interface {
	// Draft begins a file. The context is that of all its writing.
	Draft(ctx context.Context) (Draft, error)
	// Open opens a file to be read, or fails with ErrNoFile. The context is that of all its reading.
	Open(ctx context.Context, id string) (io.ReadSeekCloser, error)
	// Look returns the size and the hash, in hexadecimal, of a file, or fails with ErrNoFile.
	Look(ctx context.Context, id string) (size int64, sum string, err error)
	// Remove removes a file, if it is there.
	Remove(ctx context.Context, id string) error
	// Before returns the IDs of the files that were kept before a time.
	Before(ctx context.Context, at time.Time) ([]string, error)
	// Sweep removes what was begun and will not be finished.
	Sweep(ctx context.Context) error
}

// Draft is a file that is being written. Either Keep or Discard ends it; Discard after Keep does nothing.
type Draft interface {
	// Write fails with ErrFull where there is no room.
	io.Writer
	// Size is how many bytes were written.
	Size() int64
	// SHA256 is the hash of what was written, in hexadecimal.
	SHA256() string
	// Keep makes the file durable under an ID. A file that was there is replaced.
	Keep(id string) error
	// Discard drops the file.
	Discard()
}

var (
	// ErrNoFile means that no file is kept under an ID.
	ErrNoFile = errors.New("the file is not there")
	// ErrFull means that there is no room for a file.
	ErrFull = errors.New("the volume has no room for files; enlarge it, or let spec.receiver.storage.retentionDays remove what is old")
)

var validID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func checkID(id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("%q is no ID of a file", id)
	}
	return nil
}

// measure is the size and the hash of what was written.
type measure struct {
	size int64
	hash hash.Hash
}

func newMeasure() measure { return measure{hash: sha256.New()} }

func (m *measure) add(p []byte) {
	m.size += int64(len(p))
	m.hash.Write(p)
}

// Size implements Draft.
func (m *measure) Size() int64 { return m.size }

// SHA256 implements Draft.
func (m *measure) SHA256() string { return hex.EncodeToString(m.hash.Sum(nil)) }
