-- The statements about the schema itself; $1 and so on are bound by the server.

-- name: ping
SELECT 1;

-- name: lock_migrations
-- Two instances that start together take turns; the lock ends with the transaction. The number is the word
-- "candleray" on a telephone's keys.
SELECT pg_advisory_xact_lock(226353729);

-- name: create_migrations
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
SELECT number, checksum FROM schema_migrations ORDER BY number;

-- name: record_migration
INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3);

-- name: known_user
-- The no-op update returns the row that is there: one statement, however many log in at once.
INSERT INTO users (telegram_user_id) VALUES ($1)
ON CONFLICT (telegram_user_id) DO UPDATE SET telegram_user_id = excluded.telegram_user_id
RETURNING user_id, telegram_user_id;

-- name: save_strategy
-- The new row, or the one of the same content that was there; neither where another session is just saving it.
WITH saved AS (
    INSERT INTO strategies (user_id, name, spec_hash, spec, market_id, symbol, timeframe, indicators, parent_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (user_id, spec_hash) WHERE deleted_at IS NULL DO NOTHING
    RETURNING *
)
SELECT strategy_id, name, spec_hash, spec, parent_id, created_at, deleted_at FROM saved
UNION ALL
SELECT strategy_id, name, spec_hash, spec, parent_id, created_at, deleted_at FROM strategies
WHERE user_id = $1 AND spec_hash = $3 AND deleted_at IS NULL;

-- name: list_strategies
SELECT strategy_id, name, spec_hash, spec, parent_id, created_at, deleted_at
FROM strategies
WHERE user_id = $1 AND deleted_at IS NULL
    AND ($2::integer IS NULL OR market_id = $2)
    AND ($3::text IS NULL OR symbol = $3)
    AND ($4::text IS NULL OR timeframe = $4)
    AND ($5::text IS NULL OR $5 = ANY (indicators))
    AND ($6::text IS NULL OR strpos(lower(name), lower($6)) > 0)
    AND ($7::timestamptz IS NULL OR (created_at, strategy_id) < ($7, $8::uuid))
ORDER BY created_at DESC, strategy_id DESC
LIMIT $9;

-- name: get_strategy
SELECT strategy_id, name, spec_hash, spec, parent_id, created_at, deleted_at
FROM strategies
WHERE user_id = $1 AND strategy_id = $2 AND deleted_at IS NULL;

-- name: delete_strategy
UPDATE strategies SET deleted_at = now()
WHERE user_id = $1 AND strategy_id = $2 AND deleted_at IS NULL
RETURNING strategy_id, name, spec_hash, spec, parent_id, created_at, deleted_at;

-- name: lock_strategy
-- Held until the transaction ends: runs of a strategy begin, and it is deleted, one after the other.
SELECT strategy_id FROM strategies
WHERE user_id = $1 AND strategy_id = $2 AND deleted_at IS NULL
FOR UPDATE;

-- name: active_run
SELECT run_id, state FROM runs WHERE strategy_id = $1 AND state = ANY ($2::text[]);

-- name: start_run
INSERT INTO runs (user_id, strategy_id, state, metadata) VALUES ($1, $2, $3, $4)
RETURNING run_id, user_id, strategy_id, state, state_since, metadata, created_at, last_event;

-- name: lock_run
SELECT run_id, user_id, strategy_id, state, state_since, metadata, created_at, last_event
FROM runs
WHERE user_id = $1 AND run_id = $2
FOR UPDATE;

-- name: move_run
UPDATE runs SET state = $2, state_since = clock_timestamp(), last_event = last_event + 1
WHERE run_id = $1
RETURNING run_id, user_id, strategy_id, state, state_since, metadata, created_at, last_event;

-- name: note_run_event
INSERT INTO run_events (run_id, number, action, from_state, to_state, cause) VALUES ($1, $2, $3, $4, $5, $6);

-- name: get_run
SELECT run_id, user_id, strategy_id, state, state_since, metadata, created_at
FROM runs
WHERE user_id = $1 AND run_id = $2;

-- name: run_events
SELECT number, action, from_state, to_state, cause, at
FROM run_events
WHERE run_id = $1
ORDER BY number DESC
LIMIT $2;

-- name: list_runs
SELECT run_id, user_id, strategy_id, state, state_since, metadata, created_at
FROM runs
WHERE user_id = $1
    AND ($2::uuid IS NULL OR strategy_id = $2)
    AND ($3::text IS NULL OR state = $3)
    AND ($4::timestamptz IS NULL OR (created_at, run_id) < ($4, $5::uuid))
ORDER BY created_at DESC, run_id DESC
LIMIT $6;

-- name: active_runs
SELECT run_id, user_id, strategy_id, state, state_since, metadata, created_at
FROM runs
WHERE state = ANY ($1::text[])
ORDER BY created_at, run_id;
