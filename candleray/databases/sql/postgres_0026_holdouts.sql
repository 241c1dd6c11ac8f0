-- Candles that a user sealed before searching. Opened once: the strategies that were chosen, and what they did, stay.
CREATE TABLE holdouts (
    holdout_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (user_id),
    market_id integer NOT NULL,
    symbol text NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL CHECK (end_at > start_at),
    -- Searches on record that went over these candles before.
    searched_before integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    chosen uuid[],
    opened_at timestamptz,
    -- JSON, one entry a chosen strategy.
    results text,
    CHECK (opened_at IS NULL OR (chosen IS NOT NULL AND results IS NOT NULL)),
    UNIQUE (user_id, symbol, start_at, end_at)
);
CREATE INDEX holdouts_sealed ON holdouts (user_id) WHERE opened_at IS NULL;

CREATE FUNCTION refuse_second_look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.opened_at IS NULL AND (OLD.chosen IS NULL OR OLD.chosen = NEW.chosen)
            AND to_jsonb(NEW) - '{chosen,opened_at,results}'::text[] = to_jsonb(OLD) - '{chosen,opened_at,results}'::text[]
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a holdout is opened once and never forgotten: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER holdouts_open_once BEFORE UPDATE OR DELETE ON holdouts
    FOR EACH ROW EXECUTE FUNCTION refuse_second_look();
