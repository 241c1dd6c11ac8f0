-- Instruments whose candles are ingested as they close, besides those that the settings name.
CREATE TABLE subscriptions (
    market_id smallint NOT NULL,
    symbol text NOT NULL,
    added_by uuid NOT NULL REFERENCES users,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (market_id, symbol)
);

-- Reasons that no candles come of a subscribed instrument, by what its exchange says of it.
CREATE TABLE subscription_notices (
    market_id smallint NOT NULL,
    symbol text NOT NULL,
    notice text NOT NULL,
    PRIMARY KEY (market_id, symbol)
);

-- Wishes of users, which an operator accepts or refuses.
CREATE TABLE subscription_requests (
    request_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    market_id smallint NOT NULL,
    symbol text NOT NULL,
    user_id uuid NOT NULL REFERENCES users,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'accepted', 'refused')),
    asked_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    reason text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX subscription_requests_waiting
    ON subscription_requests (user_id, market_id, symbol) WHERE state = 'waiting';
CREATE INDEX subscription_requests_by_age ON subscription_requests (asked_at);
