-- The processes that judge requests, each with what it has applied. Nothing here is a change to a key.
-- New tables, because a column of an old one would make those wait who read it meanwhile.

CREATE TABLE keyfob.workers (
    id       text COLLATE "C" PRIMARY KEY,  -- random, of one process
    host     text NOT NULL,
    lease    bigint NOT NULL,   -- milliseconds that it may judge by what it read last
    epoch    text NOT NULL,     -- with the revision: what it has applied, as it said last
    revision bigint NOT NULL,
    seen_at  bigint NOT NULL    -- by its own clock, when it said so; another value shows that it is alive
);

-- Up to which revision somebody waits for the workers' word. They give it only when they are asked.
CREATE TABLE keyfob.roll_call (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    revision bigint NOT NULL
);
INSERT INTO keyfob.roll_call VALUES (1, 0);
