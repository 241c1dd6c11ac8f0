-- The paper exchange: its books, and how far runs on paper have come.

-- name: lock_paper_account
SELECT run_id FROM run_sessions WHERE run_id = $1 AND session = $2 FOR NO KEY UPDATE;

-- name: last_of_paper_ledger
SELECT * FROM paper_ledger WHERE run_id = $1 AND session = $2 ORDER BY number DESC LIMIT 1;

-- name: paper_order
SELECT * FROM paper_ledger WHERE run_id = $1 AND session = $2 AND client_order_id = $3;

-- name: paper_fills_since
SELECT * FROM paper_ledger WHERE run_id = $1 AND session = $2 AND at_ms >= $3 ORDER BY number;

-- name: add_to_paper_ledger
INSERT INTO paper_ledger (run_id, session, number, client_order_id, symbol, side, asked, filled, price, fee, at_ms,
    position, entry_price, balance)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- name: paper_events_to_act_on
-- What runs on paper have said that leads to orders: of each the first events behind what is done.
SELECT runs.run_id, runs.user_id, runs.metadata ->> 'instrument_key' AS instrument_key,
    runs.metadata ->> 'timeframe' AS timeframe, strategies.market_id, strategies.symbol,
    (spec::json ->> 'init_cash_quote')::float8 AS cash, (spec::json ->> 'fee_pct')::float8 AS fee_pct,
    (spec::json ->> 'slippage_pct')::float8 AS slippage_pct,
    event.number, event.session, event.ts_open, event.kind, event.body ->> 'side' AS side,
    event.body ->> 'quantity' AS quantity, live_from, started_at
FROM runs JOIN strategies USING (strategy_id) LEFT JOIN paper_courses ON paper_courses.run_id = runs.run_id
CROSS JOIN LATERAL (
    SELECT * FROM strategy_events AS said
    WHERE said.run_id = runs.run_id AND said.number > coalesce(done, 0) AND kind IN ('entry', 'exit', 'annulled')
    ORDER BY said.number LIMIT $1
) AS event JOIN run_sessions ON run_sessions.run_id = runs.run_id AND run_sessions.session = event.session
WHERE runs.mode = 'paper' AND NOT EXISTS (SELECT FROM execution_halts WHERE execution_halts.run_id = runs.run_id)
ORDER BY runs.run_id, event.number;

-- name: paper_books_that_differ
-- Runs on paper whose books at the paper exchange are not what their fills make, while no order is in flight.
SELECT runs.run_id, runs.user_id, runs.metadata ->> 'instrument_key' AS instrument_key,
    runs.metadata ->> 'timeframe' AS timeframe, strategies.market_id, strategies.symbol,
    (spec::json ->> 'init_cash_quote')::float8 AS cash, (spec::json ->> 'fee_pct')::float8 AS fee_pct,
    (spec::json ->> 'slippage_pct')::float8 AS slippage_pct,
    session, live_from, started_at
FROM runs JOIN strategies USING (strategy_id) CROSS JOIN LATERAL (
    SELECT session, live_from, started_at FROM run_sessions
    WHERE run_sessions.run_id = runs.run_id ORDER BY session DESC LIMIT 1
) AS last LEFT JOIN LATERAL (
    SELECT position FROM paper_ledger
    WHERE paper_ledger.run_id = runs.run_id AND paper_ledger.session = last.session ORDER BY number DESC LIMIT 1
) AS books ON true CROSS JOIN LATERAL (
    SELECT sum(CASE fills.side WHEN 'buy' THEN fills.quantity ELSE -fills.quantity END) AS held
    FROM orders JOIN fills USING (client_order_id)
    WHERE orders.run_id = runs.run_id AND signal_bar_ms >= extract(epoch FROM last.live_from) * 1000
) AS ours
WHERE runs.mode = 'paper' AND coalesce(books.position, 0) <> coalesce(ours.held, 0)
    AND NOT EXISTS (SELECT FROM execution_halts WHERE execution_halts.run_id = runs.run_id)
    AND NOT EXISTS (
        SELECT FROM orders WHERE orders.run_id = runs.run_id
            AND state IN ('new', 'sent', 'unknown', 'acknowledged', 'partially_filled')
    );

-- name: move_paper_course
INSERT INTO paper_courses (run_id, done) VALUES ($1, $2)
ON CONFLICT (run_id) DO UPDATE SET done = excluded.done WHERE paper_courses.done < excluded.done;

-- name: paper_halts_to_tell
SELECT runs.run_id, runs.user_id, runs.metadata ->> 'instrument_key' AS instrument_key, reason, at, (
    SELECT max(session) FROM run_sessions WHERE run_sessions.run_id = runs.run_id
) AS session
FROM execution_halts JOIN runs USING (run_id) LEFT JOIN paper_courses USING (run_id)
WHERE runs.mode = 'paper' AND NOT coalesce(is_halted, false);

-- name: note_paper_halt
INSERT INTO paper_courses (run_id, done, is_halted) VALUES ($1, 0, true)
ON CONFLICT (run_id) DO UPDATE SET is_halted = true;

-- name: paper_orders_of_bar
-- The orders of a run's bar, each with its line in the books where the paper exchange has taken it.
SELECT orders.client_order_id, orders.side, orders.quantity, orders.created_at, price, filled, fee, at_ms, position,
    balance
FROM orders LEFT JOIN paper_ledger USING (client_order_id)
WHERE orders.run_id = $1 AND signal_bar_ms = $2
ORDER BY orders.created_at, orders.client_order_id;

-- name: page_of_orders
-- A session begins with the bar from which it is live.
SELECT * FROM (
    SELECT row_number() OVER (ORDER BY orders.created_at, client_order_id) AS number, (
        SELECT max(session) FROM run_sessions
        WHERE run_sessions.run_id = orders.run_id AND live_from <= to_timestamp(signal_bar_ms / 1000.0)
    ) AS session, client_order_id, to_timestamp(signal_bar_ms / 1000.0) AS ts_open, intent, side, type, quantity, (
        SELECT coalesce(sum(fills.quantity), 0) FROM fills WHERE fills.client_order_id = orders.client_order_id
    ) AS filled, state, (
        SELECT cause FROM order_events
        WHERE order_events.client_order_id = orders.client_order_id AND order_events.number = orders.last_event
    ) AS cause, orders.created_at AS made_at
    FROM orders WHERE run_id = $1
) AS numbered
WHERE ($2::integer IS NULL OR session = $2) AND number > $3
ORDER BY number LIMIT $4;

-- name: page_of_fills
SELECT * FROM (
    SELECT row_number() OVER (ORDER BY session, paper_ledger.number) AS number, session, client_order_id,
        paper_ledger.side, fills.price, fills.quantity, fills.fee AS fee_quote, position, balance AS balance_quote,
        to_timestamp(paper_ledger.at_ms / 1000.0) AS at
    FROM paper_ledger JOIN fills USING (client_order_id) WHERE run_id = $1
) AS numbered
WHERE ($2::integer IS NULL OR session = $2) AND number > $3
ORDER BY number LIMIT $4;
