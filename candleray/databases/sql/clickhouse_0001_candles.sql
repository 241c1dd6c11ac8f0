-- Candles as they came (raw), candles as they are read (canonical), and the references of markets and
-- instruments. A statement ends at a semicolon that ends its line; each may run twice, because a kill in the
-- middle of a migration leaves a part of it behind.

-- ORDER BY market and symbol first: every read is of one instrument. DoubleDelta makes the stamps of a gap-free
-- month some bytes; ZSTD brings a whole row to 18 bytes (measured on two symbol-years).

CREATE TABLE IF NOT EXISTS ref_market (
    market_id UInt8,
    exchange LowCardinality(String),
    market_type LowCardinality(String),
    fee_pct Float64,
    updated_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(updated_at)
ORDER BY market_id;

CREATE TABLE IF NOT EXISTS ref_instruments (
    market_id UInt8,
    symbol LowCardinality(String),
    instrument_key String,
    is_tradable Bool,
    status LowCardinality(String),
    base_asset LowCardinality(String),
    quote_asset LowCardinality(String),
    price_tick Nullable(Float64),
    quantity_step Nullable(Float64),
    updated_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (market_id, symbol);

-- Raw keeps every version that was ever written: a plain MergeTree forgets none.
CREATE TABLE IF NOT EXISTS raw_binance_klines_1m (
    market_id UInt8,
    symbol LowCardinality(String),
    instrument_key LowCardinality(String),
    ts_open DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD),
    open Float64 CODEC(ZSTD),
    high Float64 CODEC(ZSTD),
    low Float64 CODEC(ZSTD),
    close Float64 CODEC(ZSTD),
    volume Float64 CODEC(ZSTD),
    quote_volume Nullable(Float64) CODEC(ZSTD),
    trades Nullable(UInt32) CODEC(ZSTD),
    ingested_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD)
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts_open)
ORDER BY (market_id, symbol, ts_open);

CREATE TABLE IF NOT EXISTS raw_bybit_klines_1m AS raw_binance_klines_1m
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts_open)
ORDER BY (market_id, symbol, ts_open);

CREATE TABLE IF NOT EXISTS canonical_candles_1m AS raw_binance_klines_1m
ENGINE = ReplacingMergeTree(ingested_at)
PARTITION BY toYYYYMM(ts_open)
ORDER BY (market_id, symbol, ts_open);

CREATE MATERIALIZED VIEW IF NOT EXISTS binance_klines_1m_to_canonical TO canonical_candles_1m
AS SELECT * FROM raw_binance_klines_1m;

CREATE MATERIALIZED VIEW IF NOT EXISTS bybit_klines_1m_to_canonical TO canonical_candles_1m
AS SELECT * FROM raw_bybit_klines_1m;
