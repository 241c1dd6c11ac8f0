-- Orders of runs, before anything of them is sent. The id is derived here too, so that none can be made up.
CREATE TABLE orders (
    client_order_id text PRIMARY KEY
        CHECK (client_order_id = 'cr' || left(encode(sha256(convert_to(
            run_id::text || '/' || signal_bar_ms::text || '/' || intent, 'UTF8')), 'hex'), 30)),
    run_id uuid NOT NULL REFERENCES runs (run_id),
    signal_bar_ms bigint NOT NULL CHECK (signal_bar_ms >= 0),
    intent text NOT NULL,
    market_id smallint NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    type text NOT NULL CHECK (type IN ('market', 'limit', 'stop')),
    quantity numeric NOT NULL CHECK (quantity > 0),
    limit_price numeric CHECK (limit_price > 0),
    stop_price numeric CHECK (stop_price > 0),
    reduce_only boolean NOT NULL,
    time_in_force text NOT NULL CHECK (time_in_force IN ('gtc', 'ioc')),
    state text NOT NULL,
    last_event integer NOT NULL DEFAULT 1,
    -- By the venue's clock: the last moment at which it takes what was sent last.
    valid_until_ms bigint,
    venue_order_id text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (run_id, signal_bar_ms, intent),
    CHECK ((limit_price IS NOT NULL) = (type = 'limit')),
    CHECK ((stop_price IS NOT NULL) = (type = 'stop'))
);

-- One order in flight of a run and side.
CREATE UNIQUE INDEX orders_in_flight ON orders (run_id, side)
    WHERE state IN ('new', 'sent', 'unknown', 'acknowledged', 'partially_filled');

CREATE INDEX orders_of_instrument ON orders (market_id, symbol, venue_order_id);

-- The table of states, as `candleray/execution/orders.py` has it.
CREATE TABLE order_transitions (
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO order_transitions (from_state, to_state) VALUES
    ('new', 'sent'), ('new', 'rejected'),
    ('sent', 'new'), ('sent', 'unknown'), ('sent', 'acknowledged'), ('sent', 'partially_filled'),
    ('sent', 'filled'), ('sent', 'cancelled'), ('sent', 'rejected'), ('sent', 'expired'),
    ('unknown', 'sent'), ('unknown', 'acknowledged'), ('unknown', 'partially_filled'),
    ('unknown', 'filled'), ('unknown', 'cancelled'), ('unknown', 'rejected'), ('unknown', 'expired'),
    ('acknowledged', 'partially_filled'), ('acknowledged', 'filled'), ('acknowledged', 'cancelled'),
    ('acknowledged', 'rejected'), ('acknowledged', 'expired'),
    ('partially_filled', 'filled'), ('partially_filled', 'cancelled'), ('partially_filled', 'expired');

-- Every transition, chained: one begins at the state in which the one before it ended, and is in the table. An order's
-- state is that of its last event. The keys are looked at when a transaction ends.
CREATE TABLE order_events (
    client_order_id text NOT NULL REFERENCES orders (client_order_id),
    number integer NOT NULL CHECK (number > 0),
    before integer GENERATED ALWAYS AS (NULLIF(number - 1, 0)) STORED,
    from_state text,
    to_state text NOT NULL,
    cause text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (client_order_id, number),
    UNIQUE (client_order_id, number, to_state),
    CHECK ((number = 1) = (from_state IS NULL)),
    CHECK (number > 1 OR to_state = 'new'),
    FOREIGN KEY (from_state, to_state) REFERENCES order_transitions (from_state, to_state),
    FOREIGN KEY (client_order_id, before, from_state)
        REFERENCES order_events (client_order_id, number, to_state)
);

ALTER TABLE orders ADD CONSTRAINT orders_state_has_its_event FOREIGN KEY (client_order_id, last_event, state)
    REFERENCES order_events (client_order_id, number, to_state) DEFERRABLE INITIALLY DEFERRED;

-- What was traded, once by the venue's id in a user's account: two sides of one trade have the same where an account
-- trades with itself.
CREATE TABLE fills (
    user_id uuid NOT NULL REFERENCES users (user_id),
    market_id smallint NOT NULL,
    symbol text NOT NULL,
    fill_id text NOT NULL,
    client_order_id text NOT NULL REFERENCES orders (client_order_id),
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    price numeric NOT NULL CHECK (price > 0),
    quantity numeric NOT NULL CHECK (quantity > 0),
    fee numeric NOT NULL,
    fee_asset text NOT NULL,
    liquidity text NOT NULL CHECK (liquidity IN ('maker', 'taker')),
    at_ms bigint NOT NULL,
    PRIMARY KEY (user_id, market_id, symbol, fill_id, side)
);
CREATE INDEX fills_of_order ON fills (client_order_id);

-- Runs that send nothing more, until a person has looked: what could not be explained, or the kill switch.
CREATE TABLE execution_halts (
    run_id uuid PRIMARY KEY REFERENCES runs (run_id),
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION refuse_change_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changing CONSTANT text[] := ARRAY['state', 'last_event', 'valid_until_ms', 'venue_order_id'];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.last_event = OLD.last_event + 1 AND to_jsonb(NEW) - changing = to_jsonb(OLD) - changing
            AND (OLD.venue_order_id IS NULL OR NEW.venue_order_id = OLD.venue_order_id)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'of an order only the state changes, each time with an event: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER orders_keep_what_is_fixed BEFORE UPDATE OR DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_order();

CREATE FUNCTION refuse_change_of_what_happened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what happened to an order never changes: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER order_events_never_change BEFORE UPDATE OR DELETE ON order_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_what_happened();

CREATE TRIGGER fills_never_change BEFORE UPDATE OR DELETE ON fills
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_what_happened();

CREATE TRIGGER order_transitions_never_change BEFORE INSERT OR UPDATE OR DELETE ON order_transitions
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_what_happened();

-- A fill is of its order's side and instrument, and all fills of an order are no more than it asked for. The order's
-- row is locked meanwhile.
CREATE FUNCTION refuse_foreign_fill() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked orders;
    had numeric;
BEGIN
    SELECT * INTO asked FROM orders WHERE client_order_id = NEW.client_order_id FOR UPDATE;
    SELECT coalesce(sum(quantity), 0) INTO had FROM fills WHERE client_order_id = NEW.client_order_id;
    IF (asked.market_id, asked.symbol, asked.side) <> (NEW.market_id, NEW.symbol, NEW.side)
        OR NEW.user_id <> (SELECT user_id FROM runs WHERE run_id = asked.run_id)
        OR had + NEW.quantity > asked.quantity
        OR asked.state IN ('new', 'filled', 'cancelled', 'rejected', 'expired')
    THEN
        RAISE EXCEPTION 'the fill % is none of the order %', NEW.fill_id, NEW.client_order_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER fills_are_of_their_order BEFORE INSERT ON fills
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_fill();
