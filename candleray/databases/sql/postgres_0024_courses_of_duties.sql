-- How long a duty took the last time, done or not, how often it is due, and when it is next.
ALTER TABLE duty_outcomes ADD COLUMN took_s double precision;
ALTER TABLE duty_outcomes ADD COLUMN every_s double precision;
ALTER TABLE duty_outcomes ADD COLUMN next_at timestamptz;
