-- Events of live runs, the checkpoints of instruments, and the shards that own them.

-- name: start_session
INSERT INTO run_sessions (run_id, session, live_from) VALUES ($1, $2, $3);

-- name: run_session
SELECT session, live_from, started_at FROM run_sessions WHERE run_id = $1 ORDER BY session DESC LIMIT 1;

-- name: run_sessions
SELECT session, live_from, started_at FROM run_sessions WHERE run_id = $1 ORDER BY session;

-- name: lock_event_numbers
-- In one order everywhere, so that two writers wait for each other and never for ever.
INSERT INTO event_numbers (user_id) SELECT DISTINCT user_id FROM unnest($1::uuid[]) AS user_id ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET last = event_numbers.last;

-- name: append_strategy_events
-- What is there already stays as it is. Users' numbers are locked as in `lock_event_numbers`, to the end of the
-- transaction; one that writes more after this has locked all of its users before. All are written at one moment:
-- a subquery in place of `clock` may be asked again for each row.
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::timestamptz[], $5::text[], $6::text[])
        WITH ORDINALITY AS event (user_id, run_id, session, ts_open, kind, body, place)
), fresh AS MATERIALIZED (
    SELECT given.*, row_number() OVER (PARTITION BY user_id ORDER BY place) AS nth FROM given
    WHERE NOT EXISTS (
        SELECT FROM strategy_events AS known
        WHERE known.run_id = given.run_id AND known.session = given.session AND known.ts_open = given.ts_open
            AND known.kind = given.kind
    )
), counted AS (
    INSERT INTO event_numbers AS known (user_id, last)
    SELECT user_id, count(*) FROM fresh GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET last = known.last + excluded.last
    RETURNING user_id, last
), clock AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), numbered AS MATERIALIZED (
    SELECT fresh.*, last - count(*) OVER (PARTITION BY user_id) + nth AS number, clock.at
    FROM fresh JOIN counted USING (user_id) CROSS JOIN clock
), written AS (
    INSERT INTO strategy_events (user_id, number, run_id, session, ts_open, kind, body, at)
    SELECT user_id, number, run_id, session, ts_open, kind, body::jsonb, at FROM numbered
)
SELECT array_agg(place ORDER BY user_id, number) AS places, array_agg(number ORDER BY user_id, number) AS numbers,
    min(at) AS at
FROM numbered;

-- name: strategy_events_after
SELECT number, run_id, session, ts_open, at, body FROM strategy_events
WHERE user_id = $1 AND number > $2 ORDER BY number LIMIT $3;

-- name: last_event_number
SELECT last FROM event_numbers WHERE user_id = $1;

-- name: last_event_numbers
-- Of these users, or of all.
SELECT user_id, last FROM event_numbers WHERE $1::uuid[] IS NULL OR user_id = ANY ($1) ORDER BY user_id;

-- name: events_of_run
SELECT number, run_id, session, ts_open, at, body FROM strategy_events
WHERE user_id = $1 AND run_id = $2 AND number > $3 AND ($4::text[] IS NULL OR kind = ANY ($4))
    AND ($5::integer IS NULL OR session = $5)
ORDER BY number LIMIT $6;

-- name: sessions_with_cash
-- The strategy may be deleted meanwhile.
SELECT session, live_from, started_at, (spec::json ->> 'init_cash_quote')::float8 AS init_cash_quote
FROM run_sessions JOIN runs USING (run_id) JOIN strategies USING (strategy_id)
WHERE runs.user_id = $1 AND run_id = $2
ORDER BY session;

-- name: run_trades
-- Entries with the exits that ended them. What is behind an entry on later bars is looked through up to its exit.
SELECT entry.number, entry.session, entry.ts_open AS entered, entry.body AS entry, exit.ts_open AS exited,
    exit.body AS exit
FROM strategy_events AS entry LEFT JOIN LATERAL (
    SELECT ts_open, body FROM strategy_events AS later
    WHERE later.run_id = entry.run_id AND later.session = entry.session AND later.ts_open > entry.ts_open
        AND later.kind = 'exit'
    ORDER BY later.ts_open LIMIT 1
) AS exit ON true
WHERE entry.user_id = $1 AND entry.run_id = $2 AND ($3::integer IS NULL OR entry.session = $3) AND entry.number > $4
    AND entry.kind = 'entry' AND NOT EXISTS (
        SELECT FROM strategy_events AS annulled
        WHERE annulled.run_id = entry.run_id AND annulled.session = entry.session
            AND annulled.ts_open = entry.ts_open AND annulled.kind = 'annulled'
    )
ORDER BY entry.number LIMIT $5;

-- name: count_annulled
SELECT count(*) AS annulled FROM strategy_events
WHERE user_id = $1 AND run_id = $2 AND ($3::integer IS NULL OR session = $3) AND kind = 'annulled';

-- name: kept_standing
-- How a run's last session stands by what is kept of it; a run that is running has taken everything up to its
-- instrument's checkpoint.
SELECT last.session, metadata ->> 'timeframe' AS timeframe,
    (spec::json ->> 'init_cash_quote')::float8 AS init_cash_quote,
    CASE WHEN state = 'running' THEN live_checkpoints.ts_open + interval '1 minute' ELSE taken_until END AS taken_until,
    signal.body ->> 'signal' AS signal, account.kind, account.body AS account, closed.trades
FROM runs JOIN strategies USING (strategy_id) CROSS JOIN LATERAL (
    SELECT session, taken_until FROM run_sessions
    WHERE run_sessions.run_id = runs.run_id ORDER BY session DESC LIMIT 1
) AS last LEFT JOIN live_checkpoints
    ON live_checkpoints.market_id = strategies.market_id AND live_checkpoints.symbol = strategies.symbol
LEFT JOIN LATERAL (
    SELECT body FROM strategy_events AS said
    WHERE said.run_id = runs.run_id AND said.session = last.session AND kind = 'signal'
    ORDER BY ts_open DESC LIMIT 1
) AS signal ON true LEFT JOIN LATERAL (
    SELECT kind, body FROM strategy_events AS said
    WHERE said.run_id = runs.run_id AND said.session = last.session AND kind IN ('entry', 'exit', 'annulled')
    ORDER BY ts_open DESC, number DESC LIMIT 1
) AS account ON true CROSS JOIN LATERAL (
    SELECT count(*) AS trades FROM strategy_events AS said
    WHERE said.run_id = runs.run_id AND said.session = last.session AND kind = 'exit'
) AS closed
WHERE runs.user_id = $1 AND runs.run_id = $2;

-- name: layout_shards
-- Where the number of shards has changed, every epoch is over.
WITH former AS (SELECT shards FROM live_layout), others AS (
    UPDATE live_shards SET epoch = epoch + 1 WHERE (SELECT shards FROM former) IS DISTINCT FROM $1
), forgotten AS (
    DELETE FROM live_layout WHERE shards <> $1
)
INSERT INTO live_layout (shards) SELECT $1 WHERE (SELECT shards FROM former) IS DISTINCT FROM $1;

-- name: lock_layout
SELECT pg_advisory_xact_lock(hashtext('live_layout'));

-- name: begin_shard
INSERT INTO live_shards (shard, epoch) VALUES ($1, 1)
ON CONFLICT (shard) DO UPDATE SET epoch = live_shards.epoch + 1
RETURNING epoch;

-- name: lock_epoch
SELECT epoch FROM live_shards WHERE shard = $1 FOR SHARE;

-- name: move_checkpoints
INSERT INTO live_checkpoints (market_id, symbol, ts_open)
SELECT * FROM unnest($1::smallint[], $2::text[], $3::timestamptz[])
ON CONFLICT (market_id, symbol) DO UPDATE SET ts_open = excluded.ts_open
    WHERE live_checkpoints.ts_open < excluded.ts_open;

-- name: checkpoints
SELECT market_id, symbol, ts_open FROM live_checkpoints
WHERE (market_id, symbol) IN (SELECT * FROM unnest($1::smallint[], $2::text[]));

-- name: keep_snapshot
INSERT INTO live_snapshots (instrument_key, code, content) VALUES ($1, $2, $3)
ON CONFLICT (instrument_key) DO UPDATE SET code = excluded.code, content = excluded.content, at = excluded.at;

-- name: snapshots
SELECT instrument_key, code, content FROM live_snapshots WHERE instrument_key = ANY ($1::text[]);

-- name: forget_snapshots
-- Those of instruments without a run: of others one is made every hour or so.
DELETE FROM live_snapshots WHERE at < clock_timestamp() - interval '30 days';

-- name: specs_of
-- The strategies of runs, deleted ones too.
SELECT strategy_id, spec, spec_hash FROM strategies WHERE strategy_id = ANY ($1::uuid[]);

-- name: instruments_with_work
-- The keys of instruments on which there are runs in these states.
SELECT DISTINCT metadata ->> 'instrument_key' AS instrument_key FROM runs WHERE state = ANY ($1::text[]);

-- name: runs_with_work
-- Of every user the runs in these states, with their last session.
SELECT run_id, user_id, strategy_id, state, state_since, mode, metadata, created_at, last_event, session, live_from,
    started_at
FROM runs CROSS JOIN LATERAL (
    SELECT session, live_from, started_at FROM run_sessions
    WHERE run_sessions.run_id = runs.run_id ORDER BY session DESC LIMIT 1
) AS last
WHERE state = ANY ($1::text[])
ORDER BY created_at, run_id;
