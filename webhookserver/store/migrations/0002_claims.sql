-- Counts the claims of an effect. What is noted under an earlier claim than the latest changes nothing, so that two
-- processes never both decide on one effect. While an effect is in flight, next_at is the end of its lease.
ALTER TABLE effect ADD COLUMN claim INTEGER NOT NULL DEFAULT 0;
