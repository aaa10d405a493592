-- Statuses of messages that something else than the receiver sent. They are kept for people, and nothing looks one of
-- them up, so that however many there are, the next one goes behind the last.
CREATE TABLE foreign_status (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  wamid       TEXT NOT NULL,
  status      TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  body        BLOB NOT NULL
);
CREATE INDEX foreign_status_received ON foreign_status (received_at);
-- Whether a call has no answer yet is asked when a status is of none of the messages that are known to be sent.
CREATE INDEX effect_unanswered ON effect (destination) WHERE state IN (2, 3);
