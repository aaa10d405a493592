-- Tells repetitions in quarantine and among the records; empty for what may repeat.
ALTER TABLE quarantine ADD COLUMN digest TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX quarantine_digest ON quarantine (digest) WHERE digest <> '';
ALTER TABLE record ADD COLUMN digest TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX record_digest ON record (digest) WHERE digest <> '';
