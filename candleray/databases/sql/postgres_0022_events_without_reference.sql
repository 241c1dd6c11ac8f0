-- To look each event's session up, and to lock it, was two fifths of the work of writing events. A session never goes,
-- and a runner writes only for sessions that it has read.
ALTER TABLE strategy_events DROP CONSTRAINT strategy_events_run_id_session_fkey;
