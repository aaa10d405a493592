-- The files of articles. The files themselves are on the volume, under their IDs.
CREATE TABLE attachment (
  id        TEXT PRIMARY KEY,
  article   TEXT NOT NULL,
  position  INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  name      TEXT NOT NULL,
  mime_type TEXT NOT NULL,
  size      INTEGER NOT NULL,
  sha256    TEXT NOT NULL,
  state     TEXT NOT NULL,
  reason    TEXT NOT NULL DEFAULT ''
);
CREATE INDEX attachment_article ON attachment (article, position);
