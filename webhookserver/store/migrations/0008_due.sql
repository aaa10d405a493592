-- What is due is looked for by destination, and must be found at once however much of another destination waits.
DROP INDEX effect_due;
CREATE INDEX effect_due ON effect (destination, next_at, id) WHERE state IN (1, 2, 3);
CREATE INDEX effect_in_flight ON effect (next_at) WHERE state = 2;
