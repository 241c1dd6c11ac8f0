-- Strategies never change (I4): the database itself refuses it. The only update is the one soft deletion.
CREATE TABLE strategies (
    strategy_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (user_id),
    name text NOT NULL,
    spec_hash text NOT NULL,
    -- Canonical JSON, byte for byte what the hash is of.
    spec text NOT NULL CHECK (spec_hash = encode(sha256(convert_to(spec, 'UTF8')), 'hex')),
    market_id integer NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    indicators text[] NOT NULL,
    parent_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    UNIQUE (user_id, strategy_id),
    FOREIGN KEY (user_id, parent_id) REFERENCES strategies (user_id, strategy_id)
);

-- One content, one strategy of a user; a deleted one may be saved again.
CREATE UNIQUE INDEX strategies_by_content ON strategies (user_id, spec_hash) WHERE deleted_at IS NULL;

CREATE INDEX strategies_by_age ON strategies (user_id, created_at DESC, strategy_id DESC) WHERE deleted_at IS NULL;

CREATE FUNCTION refuse_change_of_strategy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
            AND to_jsonb(NEW) - 'deleted_at' = to_jsonb(OLD) - 'deleted_at'
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a strategy never changes: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER strategies_never_change BEFORE UPDATE OR DELETE ON strategies
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_strategy();

CREATE TRIGGER strategies_are_never_emptied BEFORE TRUNCATE ON strategies
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_strategy();
