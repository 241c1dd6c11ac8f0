-- What a job's driver expected of its search when it had measured it: later estimates learn from the difference.
ALTER TABLE jobs ADD COLUMN expected_s double precision;
ALTER TABLE jobs ADD COLUMN eta_s double precision;
-- Of the phase's tasks, which take about equally long: variants do not.
ALTER TABLE jobs ADD COLUMN tasks_done integer NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN tasks_total integer NOT NULL DEFAULT 0;
