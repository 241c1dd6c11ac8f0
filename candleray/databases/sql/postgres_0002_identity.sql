-- Sessions and personal API tokens: only their SHA-256 is here (R3.1).
CREATE TABLE access_tokens (
    token_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('session', 'api')),
    name text NOT NULL,
    scopes text[] NOT NULL,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    -- Moves on with use, up to ends_at.
    expires_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (expires_at <= ends_at),
    revoked_at timestamptz,
    -- When it last came with a code of the second factor.
    code_verified_at timestamptz
);
CREATE INDEX access_tokens_of_user ON access_tokens (user_id, created_at);

-- One TOTP secret a user, sealed (R3.2). While it replaces another one, it is the pending_ one until confirmed.
CREATE TABLE second_factors (
    user_id uuid PRIMARY KEY REFERENCES users,
    factor_id uuid,
    sealed jsonb,
    pending_id uuid,
    pending jsonb,
    -- The time step of the last code taken: a code is taken once.
    last_step bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    locked_until timestamptz
);

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users,
    code_hash bytea NOT NULL CHECK (octet_length(code_hash) = 32),
    used_at timestamptz,
    PRIMARY KEY (user_id, code_hash)
);

-- Keys of exchanges (R3.3): both halves sealed under the record's own data key, which is wrapped by the
-- key-encryption key of that version.
CREATE TABLE exchange_keys (
    key_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    exchange text NOT NULL,
    label text NOT NULL,
    last_four text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sealed jsonb NOT NULL,
    key_version text NOT NULL GENERATED ALWAYS AS (sealed ->> 'key_version') STORED
);
CREATE INDEX exchange_keys_of_user ON exchange_keys (user_id, created_at);
CREATE INDEX exchange_keys_by_version ON exchange_keys (key_version);

-- Every identity and key event, each chained to the hash of the one before.
CREATE TABLE audit_events (
    number bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    user_id uuid,
    event text NOT NULL,
    details jsonb NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_events_stay_all BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
