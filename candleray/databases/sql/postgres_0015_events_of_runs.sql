-- One run's events are read by their numbers, among those of all runs of its user.
CREATE INDEX strategy_events_of_run ON strategy_events (run_id, number);
