-- Telegram chats of users, what is sent there, and the bot that sends it.

-- name: open_telegram_link
INSERT INTO telegram_links (user_id, token_hash, expires_at)
VALUES ($1, $2, clock_timestamp() + $3::interval)
ON CONFLICT (user_id) DO UPDATE
    SET token_hash = excluded.token_hash, expires_at = excluded.expires_at, used_at = NULL
RETURNING expires_at;

-- name: lock_telegram_link
-- Nobody's but that person's: a link that others got hold of is nothing to them.
SELECT link.user_id, link.used_at IS NOT NULL AS is_used, link.expires_at > clock_timestamp() AS is_fresh
FROM telegram_links AS link JOIN users USING (user_id)
WHERE token_hash = $1 AND telegram_user_id = $2
FOR UPDATE OF link;

-- name: telegram_chat
-- A statement of its own: who has waited for the lock must see what was done under it.
SELECT chat_id FROM telegram_chats WHERE user_id = $1;

-- name: use_telegram_link
UPDATE telegram_links SET used_at = clock_timestamp() WHERE user_id = $1;

-- name: link_telegram_chat
-- What happened before, or while the bot was blocked, is not told.
INSERT INTO telegram_chats (user_id, chat_id, read_until)
VALUES ($1, $2, coalesce((SELECT last FROM event_numbers WHERE event_numbers.user_id = $1), 0))
ON CONFLICT (user_id) DO UPDATE SET chat_id = excluded.chat_id, linked_at = excluded.linked_at, off_since = NULL,
    read_until = CASE WHEN telegram_chats.off_since IS NULL THEN telegram_chats.read_until ELSE excluded.read_until END;

-- name: forget_telegram_link
DELETE FROM telegram_links WHERE user_id = $1;

-- name: unlink_telegram_chat
DELETE FROM telegram_chats WHERE user_id = $1 RETURNING chat_id;

-- name: clear_outbox
DELETE FROM notification_outbox WHERE user_id = $1;

-- name: turn_telegram_off
UPDATE telegram_chats SET off_since = coalesce(off_since, clock_timestamp()) WHERE user_id = $1;

-- name: telegram_state
SELECT linked_at, off_since, policy,
    (SELECT count(*) FROM notification_outbox WHERE notification_outbox.user_id = $1) AS waiting
FROM (SELECT $1::uuid AS user_id) AS asked
    LEFT JOIN telegram_chats USING (user_id) LEFT JOIN notification_policies USING (user_id);

-- name: user_of_telegram_chat
-- A private chat has its person's number; the account must still be that person's.
SELECT user_id FROM telegram_chats JOIN users USING (user_id)
WHERE chat_id = $1 AND telegram_user_id = $2 AND off_since IS NULL;

-- name: keep_notification_policy
INSERT INTO notification_policies (user_id, policy) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET policy = excluded.policy;

-- name: notification_policy
SELECT policy FROM notification_policies WHERE user_id = $1;

-- name: runs_of_others
-- Of these runs, those that are not the user's.
SELECT run_id FROM unnest($2::uuid[]) AS run_id
WHERE NOT EXISTS (SELECT FROM runs WHERE runs.run_id = run_id.run_id AND runs.user_id = $1);

-- name: tell_telegram_bot
INSERT INTO telegram_bot (username, trouble, trouble_since)
VALUES ($1, $2, CASE WHEN $2::text IS NOT NULL THEN clock_timestamp() END)
ON CONFLICT (sole) DO UPDATE SET username = excluded.username, told_at = excluded.told_at, trouble = excluded.trouble,
    trouble_since = CASE WHEN excluded.trouble IS NOT NULL
        THEN coalesce(telegram_bot.trouble_since, excluded.trouble_since) END;

-- name: telegram_bot
SELECT username, told_at, trouble, trouble_since, clock_timestamp() - told_at AS silent FROM telegram_bot;

-- name: forget_telegram_bot
DELETE FROM telegram_bot;

-- name: telegram_chats_behind
SELECT user_id, read_until FROM telegram_chats JOIN event_numbers USING (user_id)
WHERE last > read_until AND off_since IS NULL;

-- name: advance_telegram_chat
UPDATE telegram_chats SET read_until = $3 WHERE user_id = $1 AND read_until = $2 AND off_since IS NULL
RETURNING user_id;

-- name: add_to_outbox
INSERT INTO notification_outbox (user_id, number, channel, text, line)
SELECT $1, number, 'telegram', text, line
FROM unnest($2::bigint[], $3::text[], $4::text[]) AS message (number, text, line)
ON CONFLICT DO NOTHING;

-- name: leave_out_of_outbox
-- Of those that wait the newest stay. The last of the others stays in their place, and says how many they were.
WITH others AS (
    SELECT number, left_out FROM notification_outbox
    WHERE user_id = $1 AND channel = 'telegram' AND state = 'waiting' ORDER BY number DESC OFFSET $2::bigint - 1
), last AS (
    SELECT max(number) AS number, sum(greatest(left_out, 1)) AS left_out FROM others HAVING count(*) > 1
), gone AS (
    DELETE FROM notification_outbox AS out USING last
    WHERE user_id = $1 AND channel = 'telegram' AND state = 'waiting' AND out.number < last.number
)
UPDATE notification_outbox AS out SET left_out = last.left_out FROM last
WHERE user_id = $1 AND channel = 'telegram' AND out.number = last.number;

-- name: waiting_by_user
SELECT user_id, count(*) AS waiting FROM notification_outbox
WHERE channel = 'telegram' AND state = 'waiting' GROUP BY user_id;

-- name: facts_of_runs
SELECT run_id, name, metadata ->> 'instrument_key' AS instrument_key, metadata ->> 'timeframe' AS timeframe,
    (spec::jsonb ->> 'init_cash_quote')::float8 AS init_cash_quote
FROM runs JOIN strategies USING (strategy_id)
WHERE run_id = ANY ($1::uuid[]);

-- name: chats_with_messages
SELECT user_id, chat_id, policy FROM telegram_chats LEFT JOIN notification_policies USING (user_id)
WHERE off_since IS NULL AND EXISTS (SELECT FROM notification_outbox AS out WHERE out.user_id = telegram_chats.user_id);

-- name: outbox_of_user
SELECT number, state, text, line, message, after_message_id, left_out FROM notification_outbox
WHERE user_id = $1 AND channel = 'telegram' ORDER BY state = 'waiting', number LIMIT $2;

-- name: begin_message
-- All of it or nothing: some may have been left out since the message was made.
WITH there AS (
    SELECT number, left_out FROM notification_outbox
    WHERE user_id = $1 AND channel = 'telegram' AND number = ANY ($2::bigint[]) AND state = 'waiting' FOR UPDATE
)
UPDATE notification_outbox AS out SET state = 'sending', message = $3, after_message_id = $4
FROM there
WHERE user_id = $1 AND channel = 'telegram' AND out.number = there.number
    AND (SELECT (count(*), sum(left_out)) FROM there) = (cardinality($2::bigint[])::bigint, $5::numeric)
RETURNING out.number;

-- name: message_waits_again
UPDATE notification_outbox SET state = 'waiting', message = NULL, after_message_id = NULL
WHERE user_id = $1 AND channel = 'telegram' AND number = ANY ($2::bigint[]);

-- name: end_message
DELETE FROM notification_outbox WHERE user_id = $1 AND channel = 'telegram' AND number = ANY ($2::bigint[]);

-- name: note_message_id
UPDATE telegram_chats SET last_message_id = greatest(last_message_id, $2) WHERE user_id = $1;

-- name: newest_message_id
SELECT coalesce(max(last_message_id), 0) AS newest FROM telegram_chats;

-- name: count_outbox
SELECT count(*) AS waiting, coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 AS oldest_s,
    coalesce(sum(left_out), 0)::bigint AS left_out
FROM notification_outbox;

-- name: run_states_of_user
SELECT state, count(*) AS runs FROM runs WHERE user_id = $1 GROUP BY state;

-- name: listed_runs_of_user
SELECT run_id, state, state_since, name, metadata ->> 'instrument_key' AS instrument_key,
    metadata ->> 'timeframe' AS timeframe
FROM runs JOIN strategies USING (strategy_id)
WHERE runs.user_id = $1 AND state = ANY ($2::text[])
ORDER BY runs.created_at DESC, run_id LIMIT $3 OFFSET $4;

-- name: runs_that_begin_with
SELECT run_id FROM runs WHERE user_id = $1 AND starts_with(run_id::text, $2) ORDER BY run_id LIMIT 2;

-- name: try_lease
SELECT pg_try_advisory_lock($1) AS held;

-- name: end_idle_session
-- Until the connection is given back to its pool.
SELECT set_config('idle_session_timeout', $1, false);
