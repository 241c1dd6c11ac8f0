-- Hole verdicts and the state of feeds.

-- name: declare_holes
INSERT INTO candle_holes (market_id, symbol, ts_open, first_asked_at, last_asked_at)
SELECT $1, hole.* FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[]) AS hole
ON CONFLICT (market_id, symbol, ts_open) DO UPDATE
    SET last_asked_at = excluded.last_asked_at, filled_at = NULL;

-- name: note_holes_asked
UPDATE candle_holes SET last_asked_at = $4
WHERE market_id = $1 AND symbol = $2 AND ts_open = ANY ($3::timestamptz[]) AND filled_at IS NULL;

-- name: fill_holes
UPDATE candle_holes SET filled_at = now()
WHERE market_id = $1 AND filled_at IS NULL
    AND (symbol, ts_open) IN (SELECT * FROM unnest($2::text[], $3::timestamptz[]));

-- name: open_holes
SELECT symbol, ts_open, first_asked_at, last_asked_at, declared_at, filled_at FROM candle_holes
WHERE market_id = $1 AND symbol = $2 AND ts_open >= $3 AND ts_open < $4 AND filled_at IS NULL
ORDER BY ts_open;

-- name: open_holes_of_market
SELECT symbol, ts_open FROM candle_holes
WHERE market_id = $1 AND ts_open >= $2 AND ts_open < $3 AND filled_at IS NULL
ORDER BY symbol, ts_open;

-- name: hole_verdicts
-- Of some instruments, each from a minute on, all verdicts, also of minutes whose candles came after all.
SELECT market_id, symbol, ts_open, declared_at, filled_at FROM candle_holes
JOIN unnest($1::smallint[], $2::text[], $3::timestamptz[]) AS wanted (market_id, symbol, start)
    USING (market_id, symbol)
WHERE ts_open >= start AND ts_open < $4
ORDER BY market_id, symbol, ts_open;

-- name: filled_holes
-- Of some instruments the minutes since a moment whose candles came after their verdicts.
SELECT market_id, symbol, ts_open FROM candle_holes
JOIN unnest($1::smallint[], $2::text[]) AS wanted (market_id, symbol) USING (market_id, symbol)
WHERE filled_at >= $3
ORDER BY market_id, symbol, ts_open;

-- name: keep_feed_state
INSERT INTO feed_states (market_id, state) VALUES ($1, $2)
ON CONFLICT (market_id) DO UPDATE SET state = excluded.state, updated_at = now();

-- name: feed_states
SELECT market_id, state, updated_at, extract(epoch FROM clock_timestamp() - updated_at)::float8 AS ago_s
FROM feed_states ORDER BY market_id;
