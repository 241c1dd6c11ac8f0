-- What certificates of runs are made of, and what the last ones have said.

-- name: run_to_certify
-- Also of a strategy that was deleted since.
SELECT run_id, runs.strategy_id, state, state_since, mode, metadata, runs.created_at, runs.user_id, spec
FROM runs JOIN strategies USING (strategy_id)
WHERE runs.user_id = $1 AND run_id = $2;

-- name: sessions_taken
-- The sessions of a run, each with the end of the minutes that it has certainly taken: a run that is running has said
-- everything up to its instrument's checkpoint, which was committed with it.
SELECT session, live_from, started_at,
    CASE WHEN runs.state = 'running' AND session = max(session) OVER ()
        THEN (
            SELECT ts_open + interval '1 minute' FROM live_checkpoints
            WHERE market_id = strategies.market_id AND symbol = strategies.symbol
        )
        ELSE taken_until
    END AS taken_until
FROM run_sessions JOIN runs USING (run_id) JOIN strategies USING (strategy_id)
WHERE runs.user_id = $1 AND run_id = $2
ORDER BY session;

-- name: end_session
-- Keep how far the run's last session has come, while it is still running.
UPDATE run_sessions SET taken_until = (
    SELECT ts_open + interval '1 minute'
    FROM runs JOIN strategies USING (strategy_id) JOIN live_checkpoints
        ON live_checkpoints.market_id = strategies.market_id AND live_checkpoints.symbol = strategies.symbol
    WHERE runs.run_id = $1
)
WHERE run_id = $1 AND session = (SELECT max(session) FROM run_sessions WHERE run_id = $1);

-- name: events_of_bars
-- What a session has said of the bars that open in a range.
SELECT ts_open, body FROM strategy_events
WHERE run_id = $1 AND session = $2 AND ts_open >= $3 AND ts_open < $4 AND kind = ANY ($5::text[])
ORDER BY ts_open, kind LIMIT $6;

-- name: last_event_of_bars
-- The last bar that a session has said something of, and the end of the last minute that has ended a gap: a gap is said
-- in the midst of a bar.
SELECT max(ts_open) FILTER (WHERE kind <> 'gap') AS ts_open,
    max(ts_open + make_interval(mins => (body ->> 'minutes')::integer + 1)) FILTER (WHERE kind = 'gap') AS gap_seen
FROM strategy_events
WHERE run_id = $1 AND session = $2 AND kind = ANY ($3::text[]);

-- name: runs_to_certify
-- Running runs whose last certificate by the instance itself is so many seconds old, those without one first. One that
-- could not be certified is tried again after the second number of seconds.
SELECT user_id, run_id, until FROM runs LEFT JOIN run_parity USING (run_id)
WHERE state = 'running' AND (certified_at IS NULL OR certified_at < clock_timestamp() - make_interval(
    secs => CASE WHEN parity = 'not yet' THEN $2::float8 ELSE $1::float8 END
))
ORDER BY certified_at NULLS FIRST, created_at LIMIT $3;

-- name: count_uncertified
-- Running runs that have gone without a certificate by the instance for so many seconds, and since when the first has.
SELECT count(*) AS runs, min(since) AS since FROM (
    SELECT coalesce(certified_at, state_since) AS since FROM runs LEFT JOIN run_parity USING (run_id)
    WHERE state = 'running'
) AS running
WHERE since < clock_timestamp() - make_interval(secs => $1::float8);

-- name: keep_parity
INSERT INTO run_parity (run_id, parity, start, until, bars, events, differing, explained, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (run_id) DO UPDATE SET parity = excluded.parity, start = excluded.start, until = excluded.until,
    bars = excluded.bars, events = excluded.events, differing = excluded.differing, explained = excluded.explained,
    hash = excluded.hash, certified_at = clock_timestamp();

-- name: count_parities
SELECT coalesce(parity, 'not yet') AS parity, count(*) AS runs FROM runs LEFT JOIN run_parity USING (run_id)
WHERE state = 'running' GROUP BY 1;
