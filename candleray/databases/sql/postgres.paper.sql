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
