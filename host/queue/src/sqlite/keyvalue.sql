-- The tables of buckets, since version 2. The numbers of keys and bytes are kept
-- here, so that a quota costs the same however large a bucket is.
CREATE TABLE buckets (
    number  INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE,
    version INTEGER NOT NULL DEFAULT 0, -- of the latest write; never used again
    deleted INTEGER NOT NULL DEFAULT 0, -- of the latest that dropped a key
    keys    INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0  -- of keys and values
) STRICT;

CREATE TABLE bucket_values (
    row     INTEGER PRIMARY KEY,
    bucket  INTEGER NOT NULL,
    key     TEXT    NOT NULL,
    version INTEGER NOT NULL,
    value   BLOB    NOT NULL,
    UNIQUE (bucket, key)
) STRICT;
