-- Orders of runs, their transitions and fills. An account is that of a user at an instrument; or, of a run on paper ($4),
-- that of the session that begins with a bar ($5).

-- name: add_order
-- Nothing comes back where the order is there already.
INSERT INTO orders (client_order_id, run_id, signal_bar_ms, intent, market_id, symbol, side, type, quantity,
    limit_price, stop_price, reduce_only, time_in_force, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'new')
ON CONFLICT (client_order_id) DO NOTHING
RETURNING client_order_id;

-- name: add_order_event
INSERT INTO order_events (client_order_id, number, from_state, to_state, cause) VALUES ($1, $2, $3, $4, $5);

-- name: lock_order
SELECT * FROM orders WHERE client_order_id = $1 FOR UPDATE;

-- name: move_order
UPDATE orders
SET state = $2, last_event = $3, valid_until_ms = coalesce($4, valid_until_ms),
    venue_order_id = coalesce(venue_order_id, $5)
WHERE client_order_id = $1;

-- name: get_order
SELECT orders.*, (
    SELECT coalesce(sum(fills.quantity), 0) FROM fills WHERE fills.client_order_id = orders.client_order_id
) AS filled
FROM orders WHERE client_order_id = $1;

-- name: orders_in_flight
-- Of an account.
SELECT orders.*, (
    SELECT coalesce(sum(fills.quantity), 0) FROM fills WHERE fills.client_order_id = orders.client_order_id
) AS filled
FROM orders JOIN runs USING (run_id)
WHERE runs.user_id = $1 AND orders.market_id = $2 AND orders.symbol = $3
    AND (runs.mode = 'paper') = ($4::uuid IS NOT NULL)
    AND ($4 IS NULL OR orders.run_id = $4 AND orders.signal_bar_ms >= $5)
    AND orders.state IN ('new', 'sent', 'unknown', 'acknowledged', 'partially_filled')
ORDER BY orders.created_at, orders.client_order_id;

-- name: orders_of_run
SELECT orders.*, (
    SELECT coalesce(sum(fills.quantity), 0) FROM fills WHERE fills.client_order_id = orders.client_order_id
) AS filled
FROM orders WHERE run_id = $1 ORDER BY created_at, client_order_id;

-- name: count_orders_of_bar
SELECT count(*) AS orders FROM orders WHERE run_id = $1 AND signal_bar_ms = $2;

-- name: add_fill
-- Nothing comes back where it is there already; then the trigger, which counts fills, has not run.
INSERT INTO fills (user_id, market_id, symbol, fill_id, client_order_id, side, price, quantity, fee, fee_asset,
    liquidity, at_ms)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
WHERE NOT EXISTS (
    SELECT FROM fills WHERE user_id = $1 AND market_id = $2 AND symbol = $3 AND fill_id = $4 AND side = $6
)
ON CONFLICT (user_id, market_id, symbol, fill_id, side) DO NOTHING
RETURNING fill_id;

-- name: get_fill
SELECT * FROM fills WHERE user_id = $1 AND market_id = $2 AND symbol = $3 AND fill_id = $4 AND side = $5;

-- name: order_of_venue
SELECT orders.client_order_id FROM orders JOIN runs USING (run_id)
WHERE runs.user_id = $1 AND market_id = $2 AND symbol = $3 AND venue_order_id = $6
    AND (runs.mode = 'paper') = ($4::uuid IS NOT NULL)
    AND ($4 IS NULL OR orders.run_id = $4 AND orders.signal_bar_ms >= $5);

-- name: position_of_account
SELECT coalesce(sum(CASE fills.side WHEN 'buy' THEN fills.quantity ELSE -fills.quantity END), 0) AS quantity
FROM fills JOIN orders USING (client_order_id) JOIN runs USING (run_id)
WHERE runs.user_id = $1 AND fills.market_id = $2 AND fills.symbol = $3
    AND (runs.mode = 'paper') = ($4::uuid IS NOT NULL)
    AND ($4 IS NULL OR orders.run_id = $4 AND orders.signal_bar_ms >= $5);

-- name: halt_runs_at
-- Every run of a user that has orders at an instrument of an exchange; those that were not halted before come back.
WITH halted AS (
    INSERT INTO execution_halts (run_id, reason)
    SELECT DISTINCT run_id, $4 FROM orders JOIN runs USING (run_id)
    WHERE runs.user_id = $1 AND market_id = $2 AND symbol = $3 AND runs.mode <> 'paper'
    ON CONFLICT (run_id) DO NOTHING
    RETURNING run_id, reason
)
SELECT run_id, user_id, reason FROM halted JOIN runs USING (run_id);

-- name: halt_run
WITH halted AS (
    INSERT INTO execution_halts (run_id, reason) VALUES ($1, $2) ON CONFLICT (run_id) DO NOTHING
    RETURNING run_id, reason
)
SELECT run_id, user_id, reason FROM halted JOIN runs USING (run_id);

-- name: halt_of_run
SELECT reason, at FROM execution_halts WHERE run_id = $1;

-- name: events_of_order
SELECT number, from_state, to_state, cause, at FROM order_events WHERE client_order_id = $1 ORDER BY number;
