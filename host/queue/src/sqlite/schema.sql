-- The tables of a jobhost store (PRAGMA user_version), since version 1. Times are
-- milliseconds since 1970, texts named JSON are what serde_json writes.
--
-- A job is one small row that changes its state in place; its body, which may
-- be large and never changes, lies beside it and is written once. Each row of
-- jobs is in one of the two indices `ready` and `timed`, and only the failed
-- set is in a third.

-- One row for each queue. The numbers of jobs by state are kept here, so that
-- looking at a queue costs the same however long it is.
CREATE TABLE channels (
    number      INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    last_id     INTEGER NOT NULL DEFAULT 0, -- ids are never used again
    tail        INTEGER NOT NULL DEFAULT 0, -- the highest position given
    waiting     INTEGER NOT NULL DEFAULT 0,
    delayed     INTEGER NOT NULL DEFAULT 0, -- due ones included
    reserved    INTEGER NOT NULL DEFAULT 0,
    done        INTEGER NOT NULL DEFAULT 0, -- ever
    failed      INTEGER NOT NULL DEFAULT 0,
    swept_at    INTEGER NOT NULL DEFAULT 0,
    grace_until INTEGER NOT NULL DEFAULT 0  -- nothing is reclaimed before
) STRICT;

CREATE TABLE jobs (
    row         INTEGER PRIMARY KEY, -- channel number * 2^40 + id
    channel     INTEGER NOT NULL,
    state       INTEGER NOT NULL,    -- 0 waiting, 1 delayed, 2 reserved, 3 done, 4 failed
    -- Waiting: the place in the queue. A reserved job keeps its place, so that
    -- handed back or reclaimed it is in front of all that were pushed after it.
    -- Failed: the order of failures.
    position    INTEGER NOT NULL,
    -- Waiting: NULL; delayed: due; reserved: dead from then on; done, failed:
    -- dropped from then on.
    at          INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    crashes     INTEGER NOT NULL DEFAULT 0,
    stopping    INTEGER NOT NULL DEFAULT 0, -- its worker's death is no crash
    ttr         INTEGER NOT NULL,
    pushed_at   INTEGER NOT NULL,
    ready_at    INTEGER NOT NULL,
    first_reserved_at INTEGER,
    reserved_at INTEGER,
    ended_at    INTEGER,
    key         BLOB    NOT NULL,
    token       TEXT, -- the lease
    worker      TEXT,
    metadata    TEXT, -- JSON
    progress    TEXT, -- JSON
    record      TEXT, -- JSON
    output      TEXT  -- JSON
) STRICT;

-- A query uses one of these only if it repeats its condition or compares `at`.
CREATE INDEX ready  ON jobs (channel, (crashes > 0), position) WHERE state = 0;
CREATE INDEX timed  ON jobs (channel, state, at) WHERE at IS NOT NULL;
CREATE INDEX failed ON jobs (channel, ended_at, position) WHERE state = 4;

CREATE TABLE bodies (
    row  INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- What calls with a token were answered, oldest first.
CREATE TABLE receipts (
    number INTEGER PRIMARY KEY,
    token  TEXT    NOT NULL UNIQUE,
    at     INTEGER NOT NULL,
    answer TEXT    NOT NULL -- JSON
) STRICT;
