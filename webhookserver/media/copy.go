package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// errDiffers means that what was copied is not what was to be copied.
var errDiffers = errors.New("the copy of a file differs from the original")

// Copy copies all files, reads each copy, and compares it with the original. What is there already is not copied
// again, so that the next call goes on where this one was interrupted. It returns how many files there are.
func Copy(ctx context.Context, from, to Files) (int, error) {
	ids, err := from.Before(ctx, time.Unix(1<<40, 0))
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := copyFile(ctx, from, to, id); err != nil {
			return 0, fmt.Errorf("copy the file %s: %w", id, err)
		}
	}
	return len(ids), nil
}

func copyFile(ctx context.Context, from, to Files, id string) error {
	size, sum, err := from.Look(ctx, id)
	if err != nil {
		return err
	}
	hadSize, hadSum, err := to.Look(ctx, id)
	if err != nil && !errors.Is(err, ErrNoFile) {
		return err
	}
	if err != nil || hadSize != size || hadSum != sum {
		if err := transfer(ctx, from, to, id); err != nil {
			return err
		}
	}
	gotSize, gotSum, err := read(ctx, to, id)
	if err == nil && (gotSize != size || gotSum != sum) {
		// The next call is to copy it again.
		err = errors.Join(errDiffers, to.Remove(ctx, id))
	}
	return err
}

func transfer(ctx context.Context, from, to Files, id string) error {
	original, err := from.Open(ctx, id)
	if err != nil {
		return err
	}
	defer func() { _ = original.Close() }()
	draft, err := to.Draft(ctx)
	if err != nil {
		return err
	}
	defer draft.Discard()
	if _, err := io.Copy(draft, original); err != nil {
		return err
	}
	return draft.Keep(id)
}

// read reads a file to its end, and returns what was there.
func read(ctx context.Context, files Files, id string) (size int64, sum string, err error) {
	file, err := files.Open(ctx, id)
	if err != nil {
		return 0, "", err
	}
	m := newMeasure()
	_, err = io.Copy(writer(m.add), file)
	return m.Size(), m.SHA256(), errors.Join(err, file.Close())
}

// writer makes an io.Writer of a function.
type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}
