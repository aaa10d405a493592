-- When a conversation wants to be woken, such as for its reminder; 0 for never.
ALTER TABLE conversation ADD COLUMN next_wake_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX conversation_wake ON conversation (next_wake_at) WHERE next_wake_at <> 0;
