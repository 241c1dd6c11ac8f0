-- Since when an instrument is listed, and since when it is so no more; every change of what an exchange says of one;
-- and the last complete list of each market.
ALTER TABLE ref_instruments ADD COLUMN IF NOT EXISTS listed_at Nullable(DateTime64(3, 'UTC')) AFTER quantity_step;
ALTER TABLE ref_instruments ADD COLUMN IF NOT EXISTS delisted_at Nullable(DateTime64(3, 'UTC')) AFTER listed_at;

-- A change is written before the reference that it leads to. After a kill between the two it is written again, with
-- the version that it follows, and so is there once.
CREATE TABLE IF NOT EXISTS ref_instrument_changes (
    market_id UInt8,
    symbol LowCardinality(String),
    follows DateTime64(3, 'UTC'),
    kind LowCardinality(String),
    before Nullable(String),
    after Nullable(String),
    updated_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (market_id, symbol, follows, kind);

CREATE TABLE IF NOT EXISTS ref_listings (
    market_id UInt8,
    instruments UInt32,
    updated_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(updated_at)
ORDER BY market_id;
