-- The files of messages, where there is no volume for them. One that has no ID is not whole yet, or is being removed.
CREATE TABLE file (
  number     INTEGER PRIMARY KEY AUTOINCREMENT,
  id         TEXT NOT NULL DEFAULT '',
  size       INTEGER NOT NULL DEFAULT 0,
  sha256     TEXT NOT NULL DEFAULT '',
  piece_size INTEGER NOT NULL,
  touched_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX file_id ON file (id) WHERE id <> '';
CREATE INDEX file_unnamed ON file (touched_at) WHERE id = '';
CREATE TABLE file_piece (
  file     INTEGER NOT NULL REFERENCES file (number),
  position INTEGER NOT NULL,
  content  BLOB NOT NULL,
  PRIMARY KEY (file, position)
);
