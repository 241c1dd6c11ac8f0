-- name: note_duty_done
INSERT INTO duty_outcomes (name, done_at, said, took_s, every_s, next_at)
VALUES ($1, now(), $2, $3, $4, now() + make_interval(secs => $5))
ON CONFLICT (name) DO UPDATE
SET done_at = now(), said = excluded.said, failures_in_row = 0, took_s = excluded.took_s, every_s = excluded.every_s,
    next_at = excluded.next_at;

-- name: note_duty_failed
INSERT INTO duty_outcomes AS stored (name, failed_at, failure, failures_in_row, took_s, every_s, next_at)
VALUES ($1, now(), $2, 1, $3, $4, now() + make_interval(secs => $5))
ON CONFLICT (name) DO UPDATE
SET failed_at = now(), failure = excluded.failure, failures_in_row = stored.failures_in_row + 1,
    took_s = excluded.took_s, every_s = excluded.every_s, next_at = excluded.next_at;

-- name: duty_done_within
SELECT 1 AS found FROM duty_outcomes WHERE name = $1 AND done_at > now() - make_interval(secs => $2);

-- name: duty_outcomes
SELECT * FROM duty_outcomes ORDER BY name;
