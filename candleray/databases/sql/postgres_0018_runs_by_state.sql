-- Runners look every second for runs that were started or stopped, among all there ever were.
CREATE INDEX runs_by_state ON runs (state);
