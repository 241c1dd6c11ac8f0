-- Every search of a user: luck grows with each, so that no verdict may forget one. Rows outlive their jobs.
CREATE TABLE trials (
    trial_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (user_id),
    job_id uuid,
    market_id integer NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    -- Of the request without what only chooses the answer: the same grid again is no further trial.
    grid_hash text NOT NULL,
    request_hash text NOT NULL,
    searches integer NOT NULL DEFAULT 1,
    variants bigint NOT NULL,
    independent_variants double precision,
    best_total_return_pct double precision,
    -- JSON, as the answer had it.
    verdict text,
    -- Not now(): of two transactions the one that began first may come second.
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (user_id, request_hash),
    UNIQUE (user_id, trial_id)
);
CREATE INDEX trials_of_user ON trials (user_id, last_at DESC, trial_id DESC);
CREATE INDEX trials_over_candles ON trials (user_id, symbol, start_at, end_at);

-- The verdict that a strategy was saved with, and the search that gave it.
ALTER TABLE strategies ADD COLUMN trial_id uuid;
ALTER TABLE strategies ADD COLUMN verdict text;
ALTER TABLE strategies ADD FOREIGN KEY (user_id, trial_id) REFERENCES trials (user_id, trial_id);
