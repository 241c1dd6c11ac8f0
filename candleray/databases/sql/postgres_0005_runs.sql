-- Runs of strategies. A state is always that of the run's last event: both foreign keys below are looked at when a
-- transaction ends, so that neither can be written without the other.
CREATE TABLE runs (
    run_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    strategy_id uuid NOT NULL,
    state text NOT NULL
        CHECK (state IN ('starting', 'warming_up', 'running', 'stopping', 'stopped', 'failed')),
    state_since timestamptz NOT NULL DEFAULT now(),
    last_event integer NOT NULL DEFAULT 1,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (user_id, strategy_id) REFERENCES strategies (user_id, strategy_id)
);

-- One active run of a strategy.
CREATE UNIQUE INDEX runs_active ON runs (strategy_id)
    WHERE state IN ('starting', 'warming_up', 'running', 'stopping');

CREATE INDEX runs_by_age ON runs (user_id, created_at DESC, run_id DESC);

CREATE TABLE run_events (
    run_id uuid NOT NULL REFERENCES runs (run_id),
    number integer NOT NULL,
    action text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    cause text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, number),
    UNIQUE (run_id, number, to_state)
);

ALTER TABLE runs ADD CONSTRAINT runs_state_has_its_event FOREIGN KEY (run_id, last_event, state)
    REFERENCES run_events (run_id, number, to_state) DEFERRABLE INITIALLY DEFERRED;

CREATE FUNCTION refuse_change_of_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.last_event = OLD.last_event + 1
            AND to_jsonb(NEW) - ARRAY['state', 'state_since', 'last_event']
                = to_jsonb(OLD) - ARRAY['state', 'state_since', 'last_event']
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'of a run only the state changes, each time with an event: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER runs_keep_what_is_fixed BEFORE UPDATE OR DELETE ON runs
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_run();

CREATE FUNCTION refuse_change_of_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an event of a run never changes: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER run_events_never_change BEFORE UPDATE OR DELETE ON run_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_event();
