-- name: lock_subscriptions
-- Until the transaction ends: what a market may have so many of is counted and added one after the other.
LOCK TABLE subscriptions IN SHARE ROW EXCLUSIVE MODE;

-- name: subscriptions_of_markets
SELECT market_id, symbol, added_at, notice
FROM subscriptions LEFT JOIN subscription_notices USING (market_id, symbol)
WHERE market_id = ANY($1::smallint[])
ORDER BY market_id, symbol;

-- name: notices_of_markets
SELECT market_id, symbol, notice FROM subscription_notices WHERE market_id = ANY($1::smallint[]);

-- name: add_subscriptions
INSERT INTO subscriptions (market_id, symbol, added_by)
SELECT $1, unnest($2::text[]), $3
ON CONFLICT DO NOTHING
RETURNING symbol;

-- name: remove_subscriptions
DELETE FROM subscriptions WHERE market_id = $1 AND symbol = ANY($2::text[]) RETURNING symbol;

-- name: count_runs_that_read
-- Active runs that trade on an instrument, or read it in their conditions.
SELECT count(*) AS runs, count(DISTINCT runs.user_id) AS users FROM runs JOIN strategies USING (strategy_id)
WHERE state IN ('starting', 'warming_up', 'running', 'stopping') AND jsonb_path_exists(
    spec::jsonb, '$.** ? (@.market_id == $market && @.symbol == $symbol)',
    jsonb_build_object('market', $1::smallint, 'symbol', $2::text)
);

-- name: forget_notices
DELETE FROM subscription_notices WHERE market_id = $1 AND symbol <> ALL($2::text[]);

-- name: keep_notices
INSERT INTO subscription_notices (market_id, symbol, notice)
SELECT $1, unnest($2::text[]), unnest($3::text[])
ON CONFLICT (market_id, symbol) DO UPDATE SET notice = excluded.notice;

-- name: count_waiting_requests
SELECT count(*) AS waiting FROM subscription_requests WHERE user_id = $1 AND state = 'waiting';

-- name: waiting_request
SELECT * FROM subscription_requests
WHERE user_id = $1 AND market_id = $2 AND symbol = $3 AND state = 'waiting';

-- name: add_subscription_request
INSERT INTO subscription_requests (market_id, symbol, user_id) VALUES ($1, $2, $3) RETURNING *;

-- name: subscription_requests
-- The newest first: of one user, or of all; in one state, or all.
SELECT * FROM subscription_requests
WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR state = $2)
    AND ($3::timestamptz IS NULL OR (asked_at, request_id) < ($3, $4::uuid))
ORDER BY asked_at DESC, request_id DESC
LIMIT $5;

-- name: subscription_request
SELECT * FROM subscription_requests WHERE request_id = $1;

-- name: lock_subscription_request
SELECT * FROM subscription_requests WHERE request_id = $1 FOR UPDATE;

-- name: accept_subscription_requests
-- Of everybody who has asked for the instrument.
UPDATE subscription_requests SET state = 'accepted', decided_at = now()
WHERE market_id = $1 AND symbol = ANY($2::text[]) AND state = 'waiting'
RETURNING *;

-- name: refuse_subscription_request
UPDATE subscription_requests SET state = 'refused', decided_at = now(), reason = $2
WHERE request_id = $1
RETURNING *;
