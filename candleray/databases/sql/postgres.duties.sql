-- name: note_duty_done
INSERT INTO duty_outcomes (name, done_at, said) VALUES ($1, now(), $2)
ON CONFLICT (name) DO UPDATE SET done_at = now(), said = excluded.said, failures_in_row = 0;

-- name: note_duty_failed
INSERT INTO duty_outcomes AS stored (name, failed_at, failure, failures_in_row) VALUES ($1, now(), $2, 1)
ON CONFLICT (name) DO UPDATE
SET failed_at = now(), failure = excluded.failure, failures_in_row = stored.failures_in_row + 1;

-- name: duty_done_within
SELECT 1 AS found FROM duty_outcomes WHERE name = $1 AND done_at > now() - make_interval(secs => $2);

-- name: duty_outcomes
SELECT * FROM duty_outcomes ORDER BY name;
