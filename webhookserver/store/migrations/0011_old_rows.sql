-- What is removed when it is old has to be found without reading everything, in these tables as in the others. Rows come
-- in the order of their times, so that each goes behind the last.
CREATE INDEX status_received ON status (received_at);
CREATE INDEX record_received ON record (received_at);
CREATE INDEX quarantine_received ON quarantine (received_at);
CREATE INDEX request_created ON request (created_at);
