-- Saved strategies, each its user's own.

-- name: save_strategy
-- The new row, or the one of the same content that was there; neither where another session is just saving it.
WITH saved AS (
    INSERT INTO strategies (user_id, name, spec_hash, spec, market_id, symbol, timeframe, indicators, parent_id,
                            trial_id, verdict)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (user_id, spec_hash) WHERE deleted_at IS NULL DO NOTHING
    RETURNING *
)
SELECT strategy_id, name, spec_hash, spec, parent_id, trial_id, verdict, created_at, deleted_at FROM saved
UNION ALL
SELECT strategy_id, name, spec_hash, spec, parent_id, trial_id, verdict, created_at, deleted_at FROM strategies
WHERE user_id = $1 AND spec_hash = $3 AND deleted_at IS NULL;

-- name: count_strategies
SELECT count(*) AS strategies FROM strategies WHERE user_id = $1 AND deleted_at IS NULL;

-- name: strategy_by_content
SELECT strategy_id, name, spec_hash, spec, parent_id, trial_id, verdict, created_at, deleted_at FROM strategies
WHERE user_id = $1 AND spec_hash = $2 AND deleted_at IS NULL;

-- name: list_strategies
SELECT strategy_id, name, spec_hash, spec, parent_id, trial_id, verdict, created_at, deleted_at
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
SELECT strategy_id, name, spec_hash, spec, parent_id, trial_id, verdict, created_at, deleted_at
FROM strategies
WHERE user_id = $1 AND strategy_id = $2 AND deleted_at IS NULL;

-- name: delete_strategy
UPDATE strategies SET deleted_at = now()
WHERE user_id = $1 AND strategy_id = $2 AND deleted_at IS NULL
RETURNING strategy_id, name, spec_hash, spec, parent_id, trial_id, verdict, created_at, deleted_at;

-- name: active_run
-- The same states as in the unique index runs_active.
SELECT run_id, state FROM runs
WHERE strategy_id = $1 AND state IN ('starting', 'warming_up', 'running', 'stopping');

-- name: lock_strategy
-- Held until the transaction ends: runs of a strategy begin, and it is deleted, one after the other.
SELECT strategy_id FROM strategies
WHERE user_id = $1 AND strategy_id = $2 AND deleted_at IS NULL
FOR UPDATE;
