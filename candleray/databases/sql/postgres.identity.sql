-- Who may do what: sessions, tokens, the second factor, exchange keys, the audit trail.

-- name: add_user
-- Nothing comes back where the user is there; of many first logins at once one adds it. No user is older than one who
-- was there before, even if the clock went back: the first one may be the operator.
INSERT INTO users (telegram_user_id, created_at)
SELECT $1::bigint, greatest(now(), max(created_at) + interval '1 microsecond') FROM users
ON CONFLICT (telegram_user_id) DO NOTHING RETURNING user_id;

-- name: user_by_telegram_id
SELECT user_id FROM users WHERE telegram_user_id = $1;

-- name: add_access_token
INSERT INTO access_tokens (user_id, kind, name, scopes, token_hash, expires_at, ends_at)
VALUES ($1, $2, $3, $4, $5, least($6::timestamptz, $7::timestamptz), $7)
RETURNING token_id, kind, name, scopes, created_at, last_used_at, expires_at, ends_at;

-- name: caller_of_token
-- What every request asks: one look into a unique index, and one at the first entry of another.
SELECT t.token_id, t.kind, t.scopes, t.code_verified_at, t.last_used_at, u.user_id, u.telegram_user_id,
    u.user_id = (SELECT user_id FROM users ORDER BY created_at, user_id LIMIT 1) AS is_first_user
FROM access_tokens t JOIN users u USING (user_id)
WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > now();

-- name: touch_access_token
UPDATE access_tokens SET
    last_used_at = now(),
    expires_at = CASE kind WHEN 'session' THEN least(now() + $2::interval, ends_at) ELSE expires_at END
WHERE token_id = $1 AND revoked_at IS NULL;

-- name: access_tokens_of_user
SELECT token_id, kind, name, scopes, created_at, last_used_at, expires_at, ends_at FROM access_tokens
WHERE user_id = $1 AND kind = $2 AND revoked_at IS NULL AND expires_at > now()
ORDER BY created_at DESC, token_id;

-- name: count_api_tokens
SELECT count(*) AS tokens FROM access_tokens
WHERE user_id = $1 AND kind = 'api' AND revoked_at IS NULL AND expires_at > now();

-- name: revoke_access_token
UPDATE access_tokens SET revoked_at = now()
WHERE token_id = $1 AND user_id = $2 AND kind = $3 AND revoked_at IS NULL AND expires_at > now()
RETURNING token_id;

-- name: revoke_other_sessions
UPDATE access_tokens SET revoked_at = now()
WHERE user_id = $1 AND token_id <> $2 AND kind = 'session' AND revoked_at IS NULL AND expires_at > now()
RETURNING token_id;

-- name: mark_code_verified
UPDATE access_tokens SET code_verified_at = now() WHERE token_id = $1;

-- name: lock_audit
-- Events of all users take turns; the lock ends with the transaction. The number is "audit" on a telephone's keys.
SELECT pg_advisory_xact_lock(28348);

-- name: last_audit_event
SELECT number, hash FROM audit_events ORDER BY number DESC LIMIT 1;

-- name: add_audit_event
INSERT INTO audit_events (number, at, user_id, event, details, previous_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: audit_events_from
SELECT number, at, user_id, event, details, previous_hash, hash FROM audit_events
WHERE number > $1 ORDER BY number LIMIT $2;

-- name: forget_codes
-- Without a second factor no token has come with a code of it.
UPDATE access_tokens SET code_verified_at = NULL WHERE user_id = $1;

-- name: second_factor
SELECT factor_id, sealed, pending_id, pending, last_step, failures, locked_until FROM second_factors
WHERE user_id = $1;

-- name: lock_second_factor
-- Two requests with one code take turns: a code is taken once.
SELECT factor_id, sealed, pending_id, pending, last_step, failures, locked_until FROM second_factors
WHERE user_id = $1 FOR UPDATE;

-- name: begin_second_factor
INSERT INTO second_factors (user_id, pending_id, pending) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO UPDATE SET pending_id = excluded.pending_id, pending = excluded.pending;

-- name: enable_second_factor
UPDATE second_factors SET
    factor_id = pending_id, sealed = pending, pending_id = NULL, pending = NULL,
    last_step = $2, failures = 0, locked_until = NULL
WHERE user_id = $1;

-- name: disable_second_factor
-- The failures and the last step stay: turning it off and on again must not reset a lock-out.
UPDATE second_factors SET factor_id = NULL, sealed = NULL, pending_id = NULL, pending = NULL WHERE user_id = $1;

-- name: code_was_right
UPDATE second_factors SET last_step = $2, failures = 0, locked_until = NULL WHERE user_id = $1;

-- name: code_was_wrong
UPDATE second_factors SET failures = $2, locked_until = $3 WHERE user_id = $1;

-- name: delete_recovery_codes
DELETE FROM recovery_codes WHERE user_id = $1;

-- name: add_recovery_codes
INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[]);

-- name: use_recovery_code
UPDATE recovery_codes SET used_at = now() WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL
RETURNING user_id;

-- name: count_recovery_codes
SELECT count(*) AS codes FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL;

-- name: share_key_rotation
-- Whoever seals a record holds this until it is stored; a rotation waits for them once. "keys" on a telephone's keys.
SELECT pg_advisory_xact_lock_shared(5397);

-- name: await_key_rotation
SELECT pg_advisory_xact_lock(5397);

-- name: add_exchange_key
INSERT INTO exchange_keys (key_id, user_id, exchange, label, last_four, sealed) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING key_id, exchange, label, last_four, created_at;

-- name: exchange_keys_of_user
SELECT key_id, exchange, label, last_four, created_at FROM exchange_keys
WHERE user_id = $1 ORDER BY created_at DESC, key_id;

-- name: count_exchange_keys
SELECT count(*) AS keys FROM exchange_keys WHERE user_id = $1;

-- name: sealed_exchange_key
SELECT key_id, user_id, exchange, sealed FROM exchange_keys WHERE user_id = $1 AND key_id = $2;

-- name: delete_exchange_key
DELETE FROM exchange_keys WHERE user_id = $1 AND key_id = $2 RETURNING key_id;

-- name: keys_of_other_versions
-- Locked ones are somebody's at this moment; the next page has them.
SELECT key_id, user_id, exchange, sealed FROM exchange_keys
WHERE key_version <> $1 AND key_id <> ALL($3::uuid[])
LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: store_rewrapped_keys
UPDATE exchange_keys AS kept SET sealed = fresh.sealed
FROM (SELECT unnest($1::uuid[]) AS key_id, unnest($2::jsonb[]) AS sealed) AS fresh
WHERE kept.key_id = fresh.key_id;

-- name: count_keys_of_other_versions
SELECT count(*) AS keys FROM exchange_keys WHERE key_version <> $1 AND key_id <> ALL($2::uuid[]);

-- name: lock_factors_to_rewrap
SELECT user_id, factor_id, sealed, pending_id, pending FROM second_factors
WHERE (sealed ->> 'key_version' <> $1 OR pending ->> 'key_version' <> $1) AND user_id <> ALL($3::uuid[])
ORDER BY user_id LIMIT $2 FOR UPDATE;

-- name: store_rewrapped_factor
UPDATE second_factors SET sealed = $2, pending = $3 WHERE user_id = $1;

-- name: sealed_key_versions
-- The key-encryption keys that something is sealed by.
SELECT DISTINCT version FROM (
    SELECT key_version AS version FROM exchange_keys
    UNION ALL SELECT sealed ->> 'key_version' FROM second_factors
    UNION ALL SELECT pending ->> 'key_version' FROM second_factors
) AS found WHERE version IS NOT NULL ORDER BY version;
