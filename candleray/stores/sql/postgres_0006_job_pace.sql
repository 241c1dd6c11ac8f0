-- What a job's driver expected of its search when it had measured it: later estimates learn from the difference.
ALTER TABLE jobs ADD COLUMN expected_s double precision;
