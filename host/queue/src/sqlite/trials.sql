-- The latest trial of each plugin, since version 3. Times are milliseconds since 1970.
CREATE TABLE trials (
    plugin       TEXT    PRIMARY KEY,
    number       INTEGER NOT NULL,
    revision     INTEGER NOT NULL, -- higher after every change, of one trial to the next too
    old          TEXT    NOT NULL, -- the version that was in force
    new          TEXT    NOT NULL, -- the one on trial
    share        INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    factor       INTEGER NOT NULL,
    began_at     INTEGER NOT NULL,
    old_attempts INTEGER NOT NULL DEFAULT 0,
    old_failures INTEGER NOT NULL DEFAULT 0,
    new_attempts INTEGER NOT NULL DEFAULT 0,
    new_failures INTEGER NOT NULL DEFAULT 0,
    ended        TEXT, -- how; NULL while it runs
    ended_at     INTEGER
) STRICT;
