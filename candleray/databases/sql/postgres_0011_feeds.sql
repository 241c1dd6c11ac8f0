-- Minutes that an exchange does not have: its REST interface said so twice, at least two minutes apart, with later
-- minutes in its answers. Such a minute may still come; then `filled_at` says when.
CREATE TABLE candle_holes (
    market_id       smallint    NOT NULL,
    symbol          text        NOT NULL,
    ts_open         timestamptz NOT NULL,
    first_asked_at  timestamptz NOT NULL,
    last_asked_at   timestamptz NOT NULL,
    declared_at     timestamptz NOT NULL DEFAULT now(),
    filled_at       timestamptz,
    PRIMARY KEY (market_id, symbol, ts_open)
);

-- What the feed of each market last told of itself.
CREATE TABLE feed_states (
    market_id   smallint    PRIMARY KEY,
    state       jsonb       NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
