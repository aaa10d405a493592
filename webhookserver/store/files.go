package store

import (
	"errors"
	"time"
)

// fileTables hold the files of messages, where they are not on a volume.
var fileTables = map[string]bool{"file": true, "file_piece": true}

// errFileGone means that a file was not written to for so long that it was taken for abandoned, and removed.
var errFileGone = errors.New("the file was removed while it was being written")

// File is a file of a message that the store keeps.
type File struct {
	// Number is what its pieces are found by.
	Number int64
	// Size is in bytes, SHA256 in hexadecimal.
	Size   int64
	SHA256 string
	// PieceSize is the size of each of its pieces but the last, in bytes.
	PieceSize int64
}

// BeginFile begins a file and returns its number. It has no ID, so that nobody finds it, until NameFile.
func (tx *Tx) BeginFile(pieceSize int64, now time.Time) (number int64, err error) {
	_, err = tx.row(`INSERT INTO file (piece_size, touched_at) VALUES (?, ?) RETURNING number`, []any{pieceSize, millis(now)}, &number)
	return number, err
}

// AddPiece adds to a file the piece of a position, counted from zero.
func (tx *Tx) AddPiece(number, position int64, content []byte, now time.Time) error {
	touched, err := tx.exec(`UPDATE file SET touched_at = ? WHERE number = ?`, millis(now), number)
	if err == nil && touched == 0 {
		err = errFileGone
	}
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO file_piece (file, position, content) VALUES (?, ?, ?)`, number, position, notNull(content))
	return err
}

// NameFile gives a file that is whole its ID. The file that had the ID before goes, unless it is the same: then it
// stays, and the new one goes.
func (tx *Tx) NameFile(id string, f File, now time.Time) error {
	had, found, err := tx.File(id)
	if err != nil {
		return err
	}
	if found && had.Size == f.Size && had.SHA256 == f.SHA256 {
		return tx.AbandonFile(f.Number)
	}
	if err := tx.UnnameFile(id); err != nil {
		return err
	}
	named, err := tx.exec(`UPDATE file SET id = ?, size = ?, sha256 = ?, touched_at = ? WHERE number = ?`, id, f.Size, f.SHA256, millis(now), f.Number)
	if err == nil && named == 0 {
		err = errFileGone
	}
	return err
}

// UnnameFile takes a file its ID, if there is one of this ID. SweepFiles then removes it.
func (tx *Tx) UnnameFile(id string) error {
	_, err := tx.exec(`UPDATE file SET id = '', touched_at = 0 WHERE id = ?`, id)
	return err
}

// AbandonFile lets SweepFiles remove a file that was begun.
func (tx *Tx) AbandonFile(number int64) error {
	_, err := tx.exec(`UPDATE file SET touched_at = 0 WHERE number = ? AND id = ''`, number)
	return err
}

// File returns the file of an ID, and whether there is one.
func (tx *Tx) File(id string) (f File, found bool, err error) {
	found, err = tx.row(`SELECT number, size, sha256, piece_size FROM file WHERE id = ? AND id <> ''`, []any{id},
		&f.Number, &f.Size, &f.SHA256, &f.PieceSize)
	return f, found, err
}

// Piece returns a piece of a file, and whether it is there.
func (tx *Tx) Piece(number, position int64) (content []byte, found bool, err error) {
	found, err = tx.row(`SELECT content FROM file_piece WHERE file = ? AND position = ?`, []any{number, position}, &content)
	return content, found, err
}

// FilesBefore returns up to limit IDs above after, in their order, of files that were named before a time.
func (tx *Tx) FilesBefore(before time.Time, after string, limit int) ([]string, error) {
	return rows(tx, value[string], `SELECT id FROM file WHERE id > ? AND touched_at < ? AND id <> '' ORDER BY id LIMIT ?`, after, millis(before), limit)
}

// SweepFiles removes up to limit pieces of a file without an ID that nothing was written to since before a time, and
// reports whether there may be more to remove.
func (tx *Tx) SweepFiles(before time.Time, limit int64) (more bool, err error) {
	var number int64
	found, err := tx.row(`SELECT number FROM file WHERE id = '' AND touched_at < ? ORDER BY touched_at, number LIMIT 1`, []any{millis(before)}, &number)
	if err != nil || !found {
		return false, err
	}
	removed, err := tx.exec(`DELETE FROM file_piece WHERE file = ? AND position IN (
		SELECT position FROM file_piece WHERE file = ? ORDER BY position LIMIT ?)`, number, number, limit)
	if err == nil && removed < limit {
		_, err = tx.exec(`DELETE FROM file WHERE number = ?`, number)
	}
	return true, err
}
