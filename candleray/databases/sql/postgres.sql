-- The statements about the schema itself; $1 and so on are bound by the server.

-- name: ping
SELECT 1;

-- name: lock_migrations
-- Two instances that start together take turns; the lock ends with the transaction. The number is the word
-- "candleray" on a telephone's keys.
SELECT pg_advisory_xact_lock(226353729);

-- name: create_migrations
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
SELECT number, checksum FROM schema_migrations ORDER BY number;

-- name: record_migration
INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3);

-- name: known_user
-- The no-op update returns the row that is there: one statement, however many log in at once.
INSERT INTO users (telegram_user_id) VALUES ($1)
ON CONFLICT (telegram_user_id) DO UPDATE SET telegram_user_id = excluded.telegram_user_id
RETURNING user_id, telegram_user_id;

-- name: lock_user
-- Held until the transaction ends: what one user may have so many of is counted and added one after the other.
SELECT user_id FROM users WHERE user_id = $1 FOR NO KEY UPDATE;

-- name: server_version_number
SHOW server_version_num;

-- name: newest_migration
SELECT coalesce(max(number), 0) AS number FROM schema_migrations;

-- name: count_own_tables
SELECT count(*) AS tables FROM pg_tables WHERE schemaname = 'public';
