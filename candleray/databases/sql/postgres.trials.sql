-- Trials: the searches of a user, each its own.

-- name: lock_trials
-- Held until the transaction ends: of two searches that end together one counts the other.
SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 25));

-- name: earlier_trials
-- Grids but $2 that were searched over candles of the symbol, by whatever market, each by the share of the range
-- that it went over: markets of one symbol move alike. A grid that was searched twice counts once. Of grid $2
-- itself the first search decides which are earlier, so that it is answered alike whenever it comes again.
WITH grids AS (
    SELECT max(variants) AS variants, coalesce(max(independent_variants), max(variants)) AS independent,
        greatest(start_at, $4::timestamptz) AS common_start, least(end_at, $5::timestamptz) AS common_end
    FROM trials
    WHERE user_id = $1 AND grid_hash <> $2 AND symbol = $3 AND start_at < $5 AND end_at > $4
        AND first_at < coalesce(
            (SELECT min(own.first_at) FROM trials AS own WHERE own.user_id = $1 AND own.grid_hash = $2), 'infinity')
    GROUP BY grid_hash, start_at, end_at
)
SELECT count(*) AS searches, coalesce(sum(variants), 0)::bigint AS variants,
    coalesce(sum(independent * extract(epoch FROM common_end - common_start)
        / extract(epoch FROM $5 - $4)), 0)::double precision AS independent_variants
FROM grids;

-- name: count_trials
SELECT count(*) AS trials FROM trials WHERE user_id = $1 AND request_hash <> $2;

-- name: record_trial
-- A search that was made before keeps the most that was ever tried of it.
INSERT INTO trials (user_id, job_id, market_id, symbol, timeframe, start_at, end_at, grid_hash, request_hash,
                    variants, independent_variants, best_total_return_pct, verdict)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (user_id, request_hash) DO UPDATE SET
    searches = trials.searches + 1,
    last_at = clock_timestamp(),
    job_id = coalesce(excluded.job_id, trials.job_id),
    variants = greatest(trials.variants, excluded.variants),
    independent_variants = coalesce(excluded.independent_variants, trials.independent_variants),
    best_total_return_pct = coalesce(excluded.best_total_return_pct, trials.best_total_return_pct),
    verdict = coalesce(excluded.verdict, trials.verdict);

-- name: list_trials
SELECT * FROM trials
WHERE user_id = $1
    AND ($2::integer IS NULL OR market_id = $2)
    AND ($3::text IS NULL OR symbol = $3)
    AND ($4::timestamptz IS NULL OR (last_at, trial_id) < ($4, $5::uuid))
ORDER BY last_at DESC, trial_id DESC
LIMIT $6;

-- name: trial_of_request
SELECT * FROM trials WHERE user_id = $1 AND request_hash = $2;
