// Package media keeps files on the channel's volume: what customers send, and what agents attach.
//
// A file appears under its ID whole, or not at all: it is written elsewhere, made durable, and then named.
package media

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// draftPrefix begins the names of files that are not whole yet.
const draftPrefix = "draft-"

var validID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// ErrNoFile means that no file is kept under an ID.
var ErrNoFile = errors.New("the file is not on the volume")

// Dir is a directory of files. It is safe for concurrent use.
type Dir struct{ path string }

// Open opens a directory, makes it where it is missing, and removes what a crash left behind unfinished. Only one
// process may use a directory.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of files: %w", err)
	}
	d := &Dir{path: path}
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasPrefix(name, draftPrefix) {
			if err := os.Remove(filepath.Join(path, name)); err != nil {
				return nil, fmt.Errorf("remove an unfinished file: %w", err)
			}
		}
	}
	return d, nil
}

func (d *Dir) names() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("read the directory of files: %w", err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

// Draft is a file that is being written. Either Keep or Discard ends it; Discard after Keep does nothing.
type Draft struct {
	dir  *Dir
	file *os.File
	sum  hash.Hash
	size int64
}

// Draft begins a file.
func (d *Dir) Draft() (*Draft, error) {
	file, err := os.CreateTemp(d.path, draftPrefix)
	if err != nil {
		return nil, fmt.Errorf("begin a file: %w", err)
	}
	return &Draft{dir: d, file: file, sum: sha256.New()}, nil
}

// Write implements io.Writer.
func (f *Draft) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	f.size += int64(n)
	f.sum.Write(p[:n])
	return n, err
}

// Size is how many bytes were written.
func (f *Draft) Size() int64 { return f.size }

// SHA256 is the hash of what was written, in hexadecimal.
func (f *Draft) SHA256() string { return hex.EncodeToString(f.sum.Sum(nil)) }

// Keep makes the file durable under an ID of 32 hexadecimal digits. A file that was there is replaced.
func (f *Draft) Keep(id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("%q is no ID of a file", id)
	}
	name := f.file.Name()
	err := errors.Join(f.file.Sync(), f.file.Close())
	if err == nil {
		err = os.Rename(name, f.dir.file(id))
	}
	if err == nil {
		err = f.dir.sync()
	}
	if err != nil {
		return fmt.Errorf("keep a file: %w", err)
	}
	f.file = nil
	return nil
}

// Discard drops the file.
func (f *Draft) Discard() {
	if f.file == nil {
		return
	}
	// What cannot be removed now is removed at the next start.
	_, _ = f.file.Close(), os.Remove(f.file.Name())
	f.file = nil
}

func (d *Dir) file(id string) string { return filepath.Join(d.path, id) }

// sync makes the names in the directory durable.
func (d *Dir) sync() error {
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Open opens a file to be read.
func (d *Dir) Open(id string) (*os.File, error) {
	if !validID.MatchString(id) {
		return nil, ErrNoFile
	}
	file, err := os.Open(d.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoFile
	}
	return file, err
}

// Look returns the size and the hash, in hexadecimal, of a file, or ErrNoFile.
func (d *Dir) Look(id string) (size int64, sum string, err error) {
	file, err := d.Open(id)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	size, err = io.Copy(h, file)
	return size, hex.EncodeToString(h.Sum(nil)), errors.Join(err, file.Close())
}

// Remove removes a file, if it is there.
func (d *Dir) Remove(id string) error {
	if !validID.MatchString(id) {
		return nil
	}
	if err := os.Remove(d.file(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Before returns the IDs of the files that were kept before a time.
func (d *Dir) Before(at time.Time) ([]string, error) {
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range names {
		info, err := os.Stat(d.file(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case validID.MatchString(name) && info.ModTime().Before(at):
			ids = append(ids, name)
		}
	}
	return ids, nil
}
