-- Outcomes of what an instance does by itself again and again, such as reading the exchanges' lists of instruments.
CREATE TABLE duty_outcomes (
    name text PRIMARY KEY,
    done_at timestamptz,
    said text NOT NULL DEFAULT '',
    failed_at timestamptz,
    failure text NOT NULL DEFAULT '',
    failures_in_row integer NOT NULL DEFAULT 0
);
