-- What is asked of jobs, and what their scheduler and drivers write.

-- name: create_job
WITH created AS (
    INSERT INTO jobs (user_id, idempotency_key, request, request_hash, engine_params_hash, state,
                      variants_total, simulations, kept_bytes)
    VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7, $8)
    RETURNING *
), event AS (
    INSERT INTO job_events (job_id, from_state, to_state, attempt, cause)
    SELECT job_id, NULL, state, attempt, 'submitted' FROM created
)
SELECT * FROM created;

-- name: job_of_key
SELECT * FROM jobs WHERE user_id = $1 AND idempotency_key = $2;

-- name: count_queued
SELECT count(*) AS jobs FROM jobs WHERE user_id = $1 AND state = 'queued';

-- name: count_kept_bytes
SELECT coalesce(sum(kept_bytes), 0)::bigint AS bytes FROM jobs WHERE user_id = $1;

-- name: get_job
SELECT * FROM jobs WHERE job_id = $1 AND user_id = $2;

-- name: list_jobs
SELECT * FROM jobs
WHERE user_id = $1
  AND ($2::text[] IS NULL OR state = ANY($2))
  AND ($3::timestamptz IS NULL OR (created_at, job_id) < ($3, $4::uuid))
ORDER BY created_at DESC, job_id DESC
LIMIT $5;

-- name: job_events
SELECT at, from_state, to_state, attempt, cause FROM job_events WHERE job_id = $1 ORDER BY event_id;

-- name: last_transitions
SELECT DISTINCT ON (job_id) job_id, cause, extract(epoch FROM now() - at)::double precision AS since_s
FROM job_events WHERE job_id = ANY($1) ORDER BY job_id, event_id DESC;

-- name: move_job
-- The one statement that changes a state: $2 are the states it may come from, $4 the attempt it must be at.
WITH former AS (
    SELECT job_id, state FROM jobs
    WHERE job_id = $1 AND state = ANY($2::text[]) AND ($4::integer IS NULL OR attempt = $4)
    FOR UPDATE
), moved AS (
    UPDATE jobs SET
        state = $3,
        attempt = attempt + ($3 = 'running')::integer,
        fruitless = fruitless + ($3 = 'running')::integer,
        heartbeat_at = now(),
        started_at = CASE WHEN $3 = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
        finished_at = CASE WHEN $3 IN ('succeeded', 'failed', 'cancelled') THEN now() END,
        phase = CASE $3 WHEN 'succeeded' THEN 'done' WHEN 'queued' THEN 'queued' ELSE phase END,
        partial = $3 <> 'succeeded',
        done = CASE $3 WHEN 'succeeded' THEN total ELSE done END,
        tasks_done = CASE $3 WHEN 'succeeded' THEN tasks_total ELSE tasks_done END,
        variants_done = CASE $3 WHEN 'succeeded' THEN simulations ELSE variants_done END,
        variants_per_s = CASE WHEN $3 IN ('queued', 'running') THEN NULL ELSE variants_per_s END,
        eta_s = NULL,
        kept_bytes = CASE WHEN $3 IN ('failed', 'cancelled')
            THEN octet_length(request) + coalesce(
                (SELECT octet_length(content) FROM job_checkpoints WHERE job_checkpoints.job_id = jobs.job_id), 0)
            ELSE kept_bytes END,
        error = $6
    FROM former WHERE jobs.job_id = former.job_id
    RETURNING jobs.*, former.state AS from_state
), event AS (
    INSERT INTO job_events (job_id, from_state, to_state, attempt, cause)
    SELECT job_id, from_state, state, attempt, $5 FROM moved
)
SELECT * FROM moved;

-- name: forgive_launch
-- An attempt that nobody could start says nothing against the job.
UPDATE jobs SET fruitless = fruitless - 1 WHERE job_id = $1 AND fruitless > 0;

-- name: ask_to_cancel
UPDATE jobs SET cancel_requested = true WHERE job_id = $1 AND user_id = $2 AND state IN ('queued', 'running')
RETURNING *;

-- name: delete_job
DELETE FROM jobs WHERE job_id = $1 AND user_id = $2 AND state IN ('succeeded', 'failed', 'cancelled')
RETURNING job_id;

-- name: heartbeat_job
-- Nothing comes back where another attempt has taken over: whoever asked must stop. $14 is how many variants the
-- checkpoint covers that is saved with it: an attempt that kept nothing new may be the first of endlessly many.
UPDATE jobs SET
    heartbeat_at = now(), phase = $3, done = $4, total = $5, variants_done = $6, variants_per_s = $7,
    best_total_return_pct = $8, candles_hash = $9, expected_s = $10,
    tasks_done = $11, tasks_total = $12, eta_s = $13,
    fruitless = CASE WHEN $14 > variants_kept THEN 0 ELSE fruitless END,
    variants_kept = coalesce($14, variants_kept)
WHERE job_id = $1 AND attempt = $2 AND state = 'running'
RETURNING cancel_requested;

-- name: save_checkpoint
INSERT INTO job_checkpoints (job_id, content) VALUES ($1, $2)
ON CONFLICT (job_id) DO UPDATE SET content = excluded.content, saved_at = now();

-- name: read_checkpoint
SELECT content, saved_at FROM job_checkpoints WHERE job_id = $1;

-- name: drop_checkpoint
DELETE FROM job_checkpoints WHERE job_id = $1;

-- name: drop_reports
DELETE FROM job_report_blocks WHERE job_id = $1;

-- name: save_reports
INSERT INTO job_report_blocks (job_id, first_rank, content)
SELECT $1, blocks.first_rank, blocks.content
FROM unnest($2::integer[], $3::bytea[]) AS blocks (first_rank, content);

-- name: read_report_blocks
-- Those that hold the first $2 ranks, or all.
SELECT content FROM job_report_blocks
WHERE job_id = $1 AND ($2::integer IS NULL OR first_rank <= $2) ORDER BY first_rank;

-- name: read_report_rows
SELECT content FROM job_reports WHERE job_id = $1 ORDER BY rank LIMIT $2;

-- name: count_what_job_keeps
UPDATE jobs SET kept_bytes = octet_length(request)
    + coalesce((SELECT sum(octet_length(content)) FROM job_report_blocks WHERE job_id = $1), 0)
    + coalesce((SELECT octet_length(content) FROM job_checkpoints WHERE job_id = $1), 0)
    + coalesce((SELECT octet_length(content) FROM job_results WHERE job_id = $1), 0)
WHERE job_id = $1;

-- name: tell_best
UPDATE jobs SET best_total_return_pct = $2 WHERE job_id = $1;

-- name: save_result
INSERT INTO job_results (job_id, content) VALUES ($1, $2) ON CONFLICT (job_id) DO UPDATE SET content = excluded.content;

-- name: read_result
SELECT content FROM job_results WHERE job_id = $1;

-- name: lock_schedule
-- Two schedulers take turns, so that their counts hold.
SELECT pg_advisory_xact_lock(226353730);

-- name: job_queue
-- What waits, in the order in which it starts: what already ran; then of the user who runs least, counting what
-- starts before; then of the one who was served longest ago; of each the oldest. With $1 and $2 only what may start
-- now, where $1 may run and $2 of one user; the first $3, or all.
WITH running AS (
    SELECT user_id, count(*) AS jobs FROM jobs WHERE state = 'running' GROUP BY user_id
), served AS (
    SELECT user_id, max(started_at) AS at FROM jobs WHERE started_at IS NOT NULL GROUP BY user_id
), waiting AS (
    SELECT jobs.job_id, jobs.attempt, jobs.started_at, served.at AS served_at,
           coalesce(running.jobs, 0) AS running,
           row_number() OVER of_user AS turn,
           -- What runs again does not count as served.
           count(*) FILTER (WHERE jobs.started_at IS NULL)
               OVER (of_user ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS served_before,
           first_value(jobs.created_at) OVER of_user AS first_at,
           first_value(jobs.job_id) OVER of_user AS first_id
    FROM jobs
    LEFT JOIN running USING (user_id)
    LEFT JOIN served USING (user_id)
    WHERE jobs.state = 'queued'
    WINDOW of_user AS (PARTITION BY user_id ORDER BY (jobs.started_at IS NULL), jobs.created_at, jobs.job_id)
)
SELECT job_id, attempt FROM waiting
WHERE ($1::bigint IS NULL OR (SELECT coalesce(sum(jobs), 0) FROM running) < $1)
  AND ($2::bigint IS NULL OR running < $2)
ORDER BY (started_at IS NULL), running + turn, served_before, served_at NULLS FIRST, first_at, first_id
LIMIT $3;

-- name: running_job
SELECT * FROM jobs WHERE job_id = $1 AND attempt = $2 AND state = 'running';

-- name: count_jobs_by_state
SELECT state, count(*) AS jobs FROM jobs GROUP BY state;

-- name: now
SELECT now() AS now;

-- name: watched_jobs
-- By id as well: a job's end bears the time at which its transaction began, which may be before another's end.
SELECT job_id, attempt, variants_done, coalesce(variants_per_s, 0.0) AS variants_per_s, finished_at,
       coalesce(extract(epoch FROM now() - saved_at)::double precision, 0.0) AS checkpoint_age_s,
       coalesce(extract(epoch FROM now() - heartbeat_at)::double precision, 0.0) AS silent_s,
       job_results.content AS result
FROM jobs LEFT JOIN job_checkpoints USING (job_id) LEFT JOIN job_results USING (job_id)
WHERE state = 'running' OR finished_at > $1 OR job_id = ANY($2::uuid[])
ORDER BY finished_at NULLS FIRST;

-- name: unfinished_jobs
SELECT job_id, user_id, state, created_at, started_at, attempt, fruitless, cancel_requested, phase,
       coalesce(extract(epoch FROM now() - heartbeat_at)::double precision, 0.0) AS silent_s,
       extract(epoch FROM now())::double precision AS now_s
FROM jobs WHERE state IN ('queued', 'running') ORDER BY created_at, job_id;

-- name: count_silence_anew
UPDATE jobs SET heartbeat_at = now() WHERE state = 'running';

-- name: delete_old_jobs
DELETE FROM jobs
WHERE state IN ('succeeded', 'failed', 'cancelled') AND finished_at < now() - make_interval(secs => $1)
RETURNING job_id;

-- name: job_pace
-- Of the newest jobs: what they took beside their search, and their search over what was expected of it.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(took_s - search_s, 0.0)) AS fixed_s,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY search_s / expected_s) FILTER (WHERE expected_s >= 0.5) AS stretch
FROM (
    SELECT extract(epoch FROM finished_at - started_at)::double precision AS took_s,
           (content::json -> 'elapsed_s' ->> 'total')::double precision
           - (content::json -> 'elapsed_s' ->> 'candles')::double precision AS search_s,
           expected_s
    FROM jobs JOIN job_results USING (job_id)
    WHERE state = 'succeeded' AND attempt = 1 AND expected_s > 0
    ORDER BY finished_at DESC LIMIT 20
) AS newest;
