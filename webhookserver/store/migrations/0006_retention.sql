-- What is removed when it is old has to be found without reading everything.
CREATE INDEX ticket_conversation ON ticket (conversation);
CREATE INDEX effect_finished ON effect (finished_at) WHERE state IN (4, 5);
