-- What the runs of an instrument know of their past, so that a process that begins goes on from there and not over their
-- histories. It is made anew again and again, and nothing else needs it.
CREATE TABLE live_snapshots (
    instrument_key  text        PRIMARY KEY,
    code            text        NOT NULL,
    content         bytea       NOT NULL,
    at              timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Numbers with all their digits: to compress them costs time and saves nothing.
ALTER TABLE live_snapshots ALTER COLUMN content SET STORAGE EXTERNAL;
