package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// pieceSize is the size of the rows that a file is cut into, in bytes. It bounds the memory that a file takes.
	pieceSize = 256 << 10
	// sweepPieces is how many of them are removed in one transaction, which others wait for.
	sweepPieces = 32
	// unfinishedFor is how long nothing is written to a file before it counts as abandoned. It is above any time that a
	// transfer may take.
	unfinishedFor = time.Hour
	// page is how many IDs are read at once.
	page = 1000
)

// Table keeps files in the channel's database, where every replica finds them.
type Table struct {
	Store store.Store
	Clock clock.Clock
}

// tableDraft is a draft whose pieces belong to no ID yet.
type tableDraft struct {
	measure
	table *Table
	// update runs transactions for as long as the draft's context is valid.
	update func(func(*store.Tx) error) error
	// piece is what waits to be written.
	piece []byte
	// number is zero as long as nothing is in the database.
	number, position int64
	ended            bool
}

// Draft implements Files.
func (t *Table) Draft(ctx context.Context) (Draft, error) {
	return &tableDraft{
		measure: newMeasure(), table: t, piece: make([]byte, 0, pieceSize),
		update: func(fn func(*store.Tx) error) error { return t.Store.Update(ctx, fn) },
	}, nil
}

// Write implements Draft.
func (d *tableDraft) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		if len(d.piece) == pieceSize {
			if err := d.flush(func(*store.Tx, int64) error { return nil }); err != nil {
				return written, fmt.Errorf("write a file: %w", err)
			}
		}
		n := min(len(p), pieceSize-len(d.piece))
		d.piece = append(d.piece, p[:n]...)
		d.add(p[:n])
		p, written = p[n:], written+n
	}
	return written, nil
}

// flush writes what waits, and does something more in the same transaction.
func (d *tableDraft) flush(then func(tx *store.Tx, number int64) error) error {
	number := d.number
	if err := d.update(func(tx *store.Tx) (err error) {
		now := d.table.Clock.Now()
		if number == 0 {
			if number, err = tx.BeginFile(pieceSize, now); err != nil {
				return err
			}
		}
		if len(d.piece) > 0 {
			if err := tx.AddPiece(number, d.position, d.piece, now); err != nil {
				return err
			}
		}
		return then(tx, number)
	}); err != nil {
		return err
	}
	d.number, d.position, d.piece = number, d.position+1, d.piece[:0]
	return nil
}

// Keep implements Draft.
func (d *tableDraft) Keep(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := d.flush(func(tx *store.Tx, number int64) error {
		return tx.NameFile(id, store.File{Number: number, Size: d.Size(), SHA256: d.SHA256()}, d.table.Clock.Now())
	}); err != nil {
		return fmt.Errorf("keep a file: %w", err)
	}
	d.ended = true
	return nil
}

// Discard implements Draft.
func (d *tableDraft) Discard() {
	if d.ended || d.number == 0 {
		return
	}
	d.ended = true
	// What cannot be removed now is removed when it is old.
	_ = d.table.Store.Update(context.Background(), func(tx *store.Tx) error { return tx.AbandonFile(d.number) })
	_ = d.table.Sweep(context.Background())
}

func (t *Table) find(ctx context.Context, id string) (f store.File, err error) {
	var found bool
	err = t.Store.View(ctx, func(tx *store.Tx) (err error) {
		f, found, err = tx.File(id)
		return err
	})
	if err == nil && !found {
		err = ErrNoFile
	}
	return f, err
}

// Open implements Files.
func (t *Table) Open(ctx context.Context, id string) (io.ReadSeekCloser, error) {
	f, err := t.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return &tableReader{file: f, at: -1, view: func(fn func(*store.Tx) error) error { return t.Store.View(ctx, fn) }}, nil
}

// Look implements Files.
func (t *Table) Look(ctx context.Context, id string) (size int64, sum string, err error) {
	f, err := t.find(ctx, id)
	return f.Size, f.SHA256, err
}

// Remove implements Files.
func (t *Table) Remove(ctx context.Context, id string) error {
	if err := t.Store.Update(ctx, func(tx *store.Tx) error { return tx.UnnameFile(id) }); err != nil {
		return err
	}
	return t.Sweep(ctx)
}

// Before implements Files.
func (t *Table) Before(ctx context.Context, at time.Time) (ids []string, err error) {
	for {
		after := ""
		if len(ids) > 0 {
			after = ids[len(ids)-1]
		}
		var more []string
		if err := t.Store.View(ctx, func(tx *store.Tx) (err error) {
			more, err = tx.FilesBefore(at, after, page)
			return err
		}); err != nil {
			return nil, err
		}
		ids = append(ids, more...)
		if len(more) < page {
			return ids, nil
		}
	}
}

// Sweep implements Files.
func (t *Table) Sweep(ctx context.Context) error {
	for more := true; more; {
		if err := t.Store.Update(ctx, func(tx *store.Tx) (err error) {
			more, err = tx.SweepFiles(t.Clock.Now().Add(-unfinishedFor), sweepPieces)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// tableReader reads a file piece by piece.
type tableReader struct {
	view   func(func(*store.Tx) error) error
	file   store.File
	offset int64
	// piece is the piece of position at, which is -1 as long as none was read.
	piece []byte
	at    int64
}

// Read implements io.Reader. A file that is removed meanwhile ends before its end.
func (r *tableReader) Read(p []byte) (int, error) {
	if r.offset >= r.file.Size {
		return 0, io.EOF
	}
	if position := r.offset / r.file.PieceSize; position != r.at {
		var found bool
		if err := r.view(func(tx *store.Tx) (err error) {
			r.piece, found, err = tx.Piece(r.file.Number, position)
			return err
		}); err != nil {
			return 0, fmt.Errorf("read a file: %w", err)
		}
		if !found {
			return 0, io.ErrUnexpectedEOF
		}
		r.at = position
	}
	from := r.offset % r.file.PieceSize
	if from >= int64(len(r.piece)) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, r.piece[from:])
	r.offset += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (r *tableReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.file.Size
	}
	if offset < 0 {
		return 0, errors.New("seek to before the beginning of a file")
	}
	r.offset = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *tableReader) Close() error { return nil }
