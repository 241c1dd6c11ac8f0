-- A session is one stay of a run among the living, from a start to a stop. Its number is that of the run's event that
-- started it.
CREATE TABLE run_sessions (
    run_id      uuid        NOT NULL REFERENCES runs (run_id),
    session     integer     NOT NULL,
    live_from   timestamptz NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, session)
);

-- The runs there were began at the end of their warm-up.
INSERT INTO run_sessions (run_id, session, live_from, started_at)
SELECT run_events.run_id, run_events.number,
    CASE WHEN number = 1
        THEN (metadata ->> 'warmup_from')::timestamptz + (metadata ->> 'warmup_bars')::integer * bar.length
        ELSE to_timestamp(floor(extract(epoch FROM at) / extract(epoch FROM bar.length)) * extract(epoch FROM bar.length))
    END, at
FROM run_events JOIN runs USING (run_id)
CROSS JOIN LATERAL (
    SELECT CASE metadata ->> 'timeframe'
        WHEN '1m' THEN interval '1 minute' WHEN '5m' THEN interval '5 minutes' WHEN '15m' THEN interval '15 minutes'
        WHEN '1h' THEN interval '1 hour' WHEN '4h' THEN interval '4 hours' ELSE interval '1 day' END AS length
) AS bar
WHERE action = 'run';

-- What a user's runs have said, numbered without a gap in the order of the commits: whoever has read up to a number
-- has missed nothing before it.
CREATE TABLE strategy_events (
    user_id  uuid        NOT NULL,
    number   bigint      NOT NULL,
    run_id   uuid        NOT NULL,
    session  integer     NOT NULL,
    ts_open  timestamptz NOT NULL,
    kind     text        NOT NULL,
    body     jsonb       NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, number),
    UNIQUE (run_id, session, ts_open, kind),
    FOREIGN KEY (run_id, session) REFERENCES run_sessions (run_id, session)
);

CREATE TRIGGER strategy_events_never_change BEFORE UPDATE OR DELETE ON strategy_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_event();

-- The number of each user's last event. Its row is locked until the events are committed, so numbers never overtake
-- each other.
CREATE TABLE event_numbers (
    user_id  uuid   PRIMARY KEY,
    last     bigint NOT NULL DEFAULT 0
);

-- The last minute of each instrument that runs have taken; it never moves back.
CREATE TABLE live_checkpoints (
    market_id  smallint    NOT NULL,
    symbol     text        NOT NULL,
    ts_open    timestamptz NOT NULL,
    PRIMARY KEY (market_id, symbol)
);

CREATE FUNCTION refuse_move_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ts_open < OLD.ts_open THEN
        RAISE EXCEPTION 'the checkpoint of % % does not move back from % to %',
            OLD.market_id, OLD.symbol, OLD.ts_open, NEW.ts_open USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER live_checkpoints_move_forward BEFORE UPDATE ON live_checkpoints
    FOR EACH ROW EXECUTE FUNCTION refuse_move_back();

-- The shards of runs. A process that begins one takes the next epoch of it, and what an earlier process still wants
-- to write is refused. With another number of shards instruments change hands, so all epochs are over.
CREATE TABLE live_shards (
    shard  integer PRIMARY KEY,
    epoch  bigint  NOT NULL
);

CREATE TABLE live_layout (
    shards  integer NOT NULL
);
