-- Who may do what: sessions, tokens, the second factor, exchange keys, the audit trail.

-- name: user_by_telegram_id
SELECT user_id FROM users WHERE telegram_user_id = $1;

-- name: add_access_token
INSERT INTO access_tokens (user_id, kind, name, scopes, token_hash, expires_at, ends_at)
VALUES ($1, $2, $3, $4, $5, least($6::timestamptz, $7::timestamptz), $7)
RETURNING token_id, kind, name, scopes, created_at, last_used_at, expires_at, ends_at;

-- name: caller_of_token
-- What every request asks: one look into a unique index.
SELECT t.token_id, t.kind, t.scopes, t.code_verified_at, t.last_used_at, u.user_id, u.telegram_user_id
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
WHERE user_id = $1 AND token_id <> $2 AND kind = 'session' AND revoked_at IS NULL
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
