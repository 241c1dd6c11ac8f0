-- What brought a row. Rows of before say `unknown`; canonical does without it, and so do the views.

ALTER TABLE raw_binance_klines_1m ADD COLUMN IF NOT EXISTS source LowCardinality(String) DEFAULT 'unknown';

ALTER TABLE raw_bybit_klines_1m ADD COLUMN IF NOT EXISTS source LowCardinality(String) DEFAULT 'unknown';

ALTER TABLE binance_klines_1m_to_canonical MODIFY QUERY
SELECT * EXCEPT source FROM raw_binance_klines_1m;

ALTER TABLE bybit_klines_1m_to_canonical MODIFY QUERY
SELECT * EXCEPT source FROM raw_bybit_klines_1m;
