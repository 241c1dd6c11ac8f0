-- Large searches (R5.1). `request` is text: a hash names its very bytes.
CREATE TABLE jobs (
    job_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users,
    idempotency_key text,
    request text NOT NULL,
    request_hash text NOT NULL,
    engine_params_hash text NOT NULL,
    candles_hash text,
    state text NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    phase text NOT NULL DEFAULT 'queued',
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    variants_total bigint NOT NULL,
    variants_done bigint NOT NULL DEFAULT 0,
    simulations bigint NOT NULL,
    variants_per_s double precision,
    best_total_return_pct double precision,
    partial boolean NOT NULL DEFAULT true,
    attempt integer NOT NULL DEFAULT 0,
    -- Attempts in a row that ended without ranking anything: a job that kills its driver must not do so for ever.
    fruitless integer NOT NULL DEFAULT 0,
    cancel_requested boolean NOT NULL DEFAULT false,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    heartbeat_at timestamptz,
    finished_at timestamptz,
    UNIQUE (user_id, idempotency_key)
);
CREATE INDEX jobs_of_user ON jobs (user_id, created_at DESC, job_id DESC);
CREATE INDEX jobs_unfinished ON jobs (state, created_at) WHERE state IN ('queued', 'running');

CREATE TABLE job_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    from_state text,
    to_state text NOT NULL,
    attempt integer NOT NULL,
    cause text NOT NULL
);
CREATE INDEX job_events_of_job ON job_events (job_id, event_id);

-- Where a driver goes on that takes the job up after another was lost.
CREATE TABLE job_checkpoints (
    job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    saved_at timestamptz NOT NULL DEFAULT now(),
    content bytea NOT NULL
);

-- The answer without its table, and the table's rows: text, so that they come out as they went in.
CREATE TABLE job_results (
    job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    content text NOT NULL
);
CREATE TABLE job_reports (
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    rank integer NOT NULL,
    content text NOT NULL,
    PRIMARY KEY (job_id, rank)
);
