-- The registry of workers, since version 3. It is for people to look at and decides nothing.
CREATE TABLE workers (
    id      TEXT    PRIMARY KEY NOT NULL,
    seen_at INTEGER NOT NULL,    -- when it was last heard of
    record  TEXT    NOT NULL     -- JSON
) STRICT;

CREATE INDEX workers_seen_at ON workers (seen_at);
