-- The end of the minutes that a session had certainly taken when it was stopped or failed: what it has said of them is
-- all there.
ALTER TABLE run_sessions ADD COLUMN taken_until timestamptz;

-- The last certificate that an instance has made of each run by itself; its verdict is the run's badge.
CREATE TABLE run_parity (
    run_id         uuid        PRIMARY KEY REFERENCES runs (run_id),
    parity         text        NOT NULL,
    start          timestamptz NOT NULL,
    until          timestamptz NOT NULL,
    bars           bigint      NOT NULL,
    events         bigint      NOT NULL,
    differing      bigint      NOT NULL,
    explained      bigint      NOT NULL,
    hash           text        NOT NULL,
    certified_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
