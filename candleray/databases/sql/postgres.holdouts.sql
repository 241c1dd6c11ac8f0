-- Holdouts, each its user's own.

-- name: seal_holdout
-- Nothing comes back where it is there already.
INSERT INTO holdouts (user_id, market_id, symbol, start_at, end_at, searched_before)
SELECT $1, $2, $3, $4::timestamptz, $5::timestamptz, count(DISTINCT grid_hash)
FROM trials WHERE user_id = $1 AND symbol = $3 AND start_at < $5 AND end_at > $4
ON CONFLICT (user_id, symbol, start_at, end_at) DO NOTHING
RETURNING *;

-- name: holdout_of_range
SELECT * FROM holdouts WHERE user_id = $1 AND symbol = $2 AND start_at = $3 AND end_at = $4;

-- name: unfinished_jobs_over
-- Jobs that name the symbol anywhere, and whose range ends after $3: they may still read what is to be sealed.
SELECT job_id FROM jobs
WHERE user_id = $1 AND state IN ('queued', 'running') AND strpos(request, '"' || $2 || '"') > 0
    AND (request::jsonb -> 'time_range' ->> 'end')::timestamptz > $3
ORDER BY created_at LIMIT 1;

-- name: count_sealed
SELECT count(*) AS holdouts FROM holdouts WHERE user_id = $1 AND opened_at IS NULL;

-- name: sealed_holdouts
SELECT * FROM holdouts WHERE user_id = $1 AND opened_at IS NULL ORDER BY start_at, holdout_id;

-- name: list_holdouts
SELECT * FROM holdouts WHERE user_id = $1 ORDER BY created_at DESC, holdout_id DESC;

-- name: get_holdout
SELECT * FROM holdouts WHERE user_id = $1 AND holdout_id = $2;

-- name: choose_for_holdout
-- The same strategies may be chosen again: whoever looked for the first time may have been killed before the answer.
UPDATE holdouts SET chosen = $3
WHERE user_id = $1 AND holdout_id = $2 AND opened_at IS NULL AND (chosen IS NULL OR chosen = $3)
RETURNING *;

-- name: open_holdout
UPDATE holdouts SET opened_at = clock_timestamp(), results = $3
WHERE user_id = $1 AND holdout_id = $2 AND opened_at IS NULL AND chosen IS NOT NULL
RETURNING *;

-- name: holdouts_of_strategy
SELECT * FROM holdouts WHERE user_id = $1 AND opened_at IS NOT NULL AND $2 = ANY (chosen) ORDER BY opened_at;
