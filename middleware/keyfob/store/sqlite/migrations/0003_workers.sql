-- The processes that judge requests, each with what it has applied. Nothing here is a change to a key.

CREATE TABLE workers (
    id       TEXT PRIMARY KEY,  -- random, of one process
    host     TEXT NOT NULL,
    lease    INTEGER NOT NULL,  -- milliseconds that it may judge by what it read last
    epoch    TEXT NOT NULL,     -- with the revision: what it has applied, as it said last
    revision INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL   -- by its own clock, when it said so; another value shows that it is alive
) WITHOUT ROWID;

-- Up to which revision somebody waits for the workers' word. They give it only when they are asked.
CREATE TABLE roll_call (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
);
INSERT INTO roll_call VALUES (1, 0);
