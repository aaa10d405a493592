-- Times are Unix milliseconds in UTC.

-- What the store belongs to.
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- Signed webhooks as received, until they are processed.
CREATE TABLE inbox (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  received_at INTEGER NOT NULL,
  body        BLOB NOT NULL
);

-- What could not be understood or belongs to another phone number. It waits for a person.
CREATE TABLE quarantine (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  received_at INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  detail      TEXT NOT NULL,
  body        BLOB NOT NULL
);

-- Webhooks that are about no conversation, such as news of the account.
CREATE TABLE record (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  received_at INTEGER NOT NULL,
  field       TEXT NOT NULL,
  body        BLOB NOT NULL
);

CREATE TABLE conversation (
  id         TEXT PRIMARY KEY,
  state      BLOB NOT NULL,
  updated_at INTEGER NOT NULL
);

-- Which conversation a customer's user ID or phone number leads to.
CREATE TABLE identity (
  kind         TEXT NOT NULL,
  value        TEXT NOT NULL,
  conversation TEXT NOT NULL REFERENCES conversation (id),
  PRIMARY KEY (kind, value)
);
CREATE INDEX identity_conversation ON identity (conversation);

-- Customers' messages. The key is what makes a repeated webhook harmless.
CREATE TABLE message (
  wamid        TEXT PRIMARY KEY,
  conversation TEXT NOT NULL REFERENCES conversation (id),
  type         TEXT NOT NULL,
  sent_at      INTEGER NOT NULL,
  received_at  INTEGER NOT NULL,
  body         BLOB NOT NULL
);
CREATE INDEX message_conversation ON message (conversation, sent_at);
CREATE INDEX message_received ON message (received_at);

-- Statuses of messages that no effect is known to have sent, or not yet.
CREATE TABLE status (
  wamid       TEXT NOT NULL,
  status      TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  body        BLOB NOT NULL,
  PRIMARY KEY (wamid, status)
);

-- Remote calls. In a lane, which is a conversation and a destination, only the first that is not finished may be in
-- another state than blocked.
CREATE TABLE effect (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  key          TEXT NOT NULL UNIQUE,
  conversation TEXT NOT NULL REFERENCES conversation (id),
  destination  TEXT NOT NULL,
  kind         TEXT NOT NULL,
  body         BLOB NOT NULL,
  state        INTEGER NOT NULL,
  attempts     INTEGER NOT NULL DEFAULT 0,
  repeated     INTEGER NOT NULL DEFAULT 0,
  created_at   INTEGER NOT NULL,
  next_at      INTEGER NOT NULL,
  called_at    INTEGER NOT NULL DEFAULT 0,
  finished_at  INTEGER NOT NULL DEFAULT 0,
  remote_id    TEXT NOT NULL DEFAULT '',
  error        TEXT NOT NULL DEFAULT ''
);
CREATE INDEX effect_lane ON effect (conversation, destination, state);
CREATE INDEX effect_due ON effect (next_at, id) WHERE state IN (1, 2, 3);
CREATE INDEX effect_dead ON effect (id) WHERE state = 6;
CREATE INDEX effect_remote ON effect (remote_id) WHERE remote_id <> '';

-- Tickets and articles of the built-in inbox.
CREATE TABLE ticket (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  marker       TEXT NOT NULL UNIQUE,
  conversation TEXT NOT NULL REFERENCES conversation (id),
  epoch        INTEGER NOT NULL,
  target_group TEXT NOT NULL,
  title        TEXT NOT NULL,
  customer     BLOB NOT NULL,
  state        TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
);
CREATE INDEX ticket_state ON ticket (state, updated_at);

CREATE TABLE article (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  ticket          INTEGER NOT NULL REFERENCES ticket (id),
  marker          TEXT NOT NULL UNIQUE,
  author          TEXT NOT NULL,
  type            TEXT NOT NULL,
  text            TEXT NOT NULL,
  written_at      INTEGER NOT NULL,
  created_at      INTEGER NOT NULL,
  delivery        TEXT NOT NULL DEFAULT '',
  delivery_reason TEXT NOT NULL DEFAULT '',
  delivery_at     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX article_ticket ON article (ticket, id);

-- Requests of the private API that must not be carried out twice.
CREATE TABLE request (
  key         TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  result      TEXT NOT NULL,
  created_at  INTEGER NOT NULL
);
