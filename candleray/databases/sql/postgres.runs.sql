-- Runs of strategies and their events.

-- name: start_run
INSERT INTO runs (user_id, strategy_id, state, metadata, mode) VALUES ($1, $2, $3, $4, $5)
RETURNING run_id, user_id, strategy_id, state, state_since, mode, metadata, created_at, last_event;

-- name: lock_run
SELECT run_id, user_id, strategy_id, state, state_since, mode, metadata, created_at, last_event
FROM runs
WHERE user_id = $1 AND run_id = $2
FOR UPDATE;

-- name: move_run
UPDATE runs SET state = $2, state_since = clock_timestamp(), last_event = last_event + 1
WHERE run_id = $1
RETURNING run_id, user_id, strategy_id, state, state_since, mode, metadata, created_at, last_event,
    (SELECT parity FROM run_parity WHERE run_parity.run_id = runs.run_id) AS parity,
    (SELECT certified_at FROM run_parity WHERE run_parity.run_id = runs.run_id) AS parity_at;

-- name: note_run_event
INSERT INTO run_events (run_id, number, action, from_state, to_state, cause) VALUES ($1, $2, $3, $4, $5, $6);

-- name: get_run
SELECT run_id, user_id, strategy_id, state, state_since, mode, metadata, created_at,
    (SELECT parity FROM run_parity WHERE run_parity.run_id = runs.run_id) AS parity,
    (SELECT certified_at FROM run_parity WHERE run_parity.run_id = runs.run_id) AS parity_at
FROM runs
WHERE user_id = $1 AND run_id = $2;

-- name: run_events
SELECT number, action, from_state, to_state, cause, at
FROM run_events
WHERE run_id = $1
ORDER BY number DESC
LIMIT $2;

-- name: list_runs
SELECT run_id, user_id, strategy_id, state, state_since, mode, metadata, created_at,
    (SELECT parity FROM run_parity WHERE run_parity.run_id = runs.run_id) AS parity,
    (SELECT certified_at FROM run_parity WHERE run_parity.run_id = runs.run_id) AS parity_at
FROM runs
WHERE user_id = $1
    AND ($2::uuid IS NULL OR strategy_id = $2)
    AND ($3::text IS NULL OR state = $3)
    AND ($4::timestamptz IS NULL OR (created_at, run_id) < ($4, $5::uuid))
ORDER BY created_at DESC, run_id DESC
LIMIT $6;

-- name: count_active_runs
SELECT count(*) AS active FROM runs
WHERE user_id = $1 AND state = ANY ($2::text[]) AND ($3::uuid IS NULL OR run_id <> $3);

-- name: active_runs
SELECT run_id, user_id, strategy_id, state, state_since, mode, metadata, created_at
FROM runs
WHERE state = ANY ($1::text[])
ORDER BY created_at, run_id;
