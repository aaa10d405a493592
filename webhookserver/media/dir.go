package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// draftPrefix begins the names of files that are not whole yet.
	draftPrefix = "draft-"
	// lookEvery is how many bytes are written before the free space is looked at again.
	lookEvery = 1 << 20
)

// Dir keeps files in a directory of the channel's volume.
type Dir struct {
	// Reserve is how many bytes of the volume files leave free, for the database beside them.
	Reserve int64

	path string
}

// OpenDir opens a directory, makes it where it is missing, and removes what a crash left behind unfinished. Only one
// process may use a directory.
func OpenDir(path string) (*Dir, error) {
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

// Space returns how many bytes of the volume are free, and how many it has.
func (d *Dir) Space() (free, total int64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(d.path, &stat); err != nil {
		return 0, 0, fmt.Errorf("look at the free space of the volume: %w", err)
	}
	return int64(stat.Bavail) * stat.Bsize, int64(stat.Blocks) * stat.Bsize, nil //nolint:gosec // No volume has more than a positive number can count.
}

func (d *Dir) room() error {
	free, _, err := d.Space()
	if err == nil && free < d.Reserve {
		err = ErrFull
	}
	return err
}

// dirDraft is a draft under a name that is no ID.
type dirDraft struct {
	measure
	dir  *Dir
	file *os.File
	// unlooked is how many bytes were written since the free space was looked at.
	unlooked int
}

// Draft implements Files.
func (d *Dir) Draft(context.Context) (Draft, error) {
	if err := d.room(); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(d.path, draftPrefix)
	if err != nil {
		return nil, fmt.Errorf("begin a file: %w", full(err))
	}
	return &dirDraft{measure: newMeasure(), dir: d, file: file}, nil
}

// full tells the error of a full volume.
func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// Write implements Draft.
func (f *dirDraft) Write(p []byte) (int, error) {
	if f.unlooked += len(p); f.unlooked > lookEvery {
		f.unlooked = 0
		if err := f.dir.room(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(p)
	f.add(p[:n])
	return n, full(err)
}

// Keep implements Draft.
func (f *dirDraft) Keep(id string) error {
	if err := checkID(id); err != nil {
		return err
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
		return fmt.Errorf("keep a file: %w", full(err))
	}
	f.file = nil
	return nil
}

// Discard implements Draft.
func (f *dirDraft) Discard() {
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

// Open implements Files.
func (d *Dir) Open(_ context.Context, id string) (io.ReadSeekCloser, error) {
	if !validID.MatchString(id) {
		return nil, ErrNoFile
	}
	file, err := os.Open(d.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoFile
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Look implements Files.
func (d *Dir) Look(ctx context.Context, id string) (size int64, sum string, err error) {
	return read(ctx, d, id)
}

// Remove implements Files.
func (d *Dir) Remove(_ context.Context, id string) error {
	if !validID.MatchString(id) {
		return nil
	}
	if err := os.Remove(d.file(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Before implements Files.
func (d *Dir) Before(_ context.Context, at time.Time) ([]string, error) {
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

// Sweep implements Files. There is nothing to do: only a crash leaves files unfinished, and OpenDir removes those.
func (d *Dir) Sweep(context.Context) error { return nil }
