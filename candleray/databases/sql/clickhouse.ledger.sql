-- Reads of the versions that the raw tables keep.

-- name: read_as_of
-- Of each minute the newest version there was at a moment.
SELECT toUnixTimestamp64Milli(ts_open) AS ts_open_ms, open, high, low, close, volume
FROM {raw_table:Identifier}
WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String}
  AND ts_open >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC')
  AND ts_open < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
  AND ingested_at <= fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
ORDER BY market_id, symbol, ts_open, ingested_at DESC
LIMIT 1 BY ts_open
SETTINGS output_format_arrow_compression_method = 'none';

-- name: read_first_versions
SELECT toUnixTimestamp64Milli(ts_open) AS ts_open_ms, open, high, low, close, volume
FROM {raw_table:Identifier}
WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String}
  AND ts_open >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC')
  AND ts_open < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
ORDER BY market_id, symbol, ts_open, ingested_at
LIMIT 1 BY ts_open
SETTINGS output_format_arrow_compression_method = 'none';

-- name: read_all_versions
-- Every version of some instruments, with its moment.
SELECT symbol, toUnixTimestamp64Milli(ts_open) AS ts_open_ms, open, high, low, close, volume,
       toUnixTimestamp64Milli(ingested_at) AS ingested_at_ms
FROM {raw_table:Identifier}
WHERE market_id = {market_id:UInt8} AND symbol IN {symbols:Array(String)}
  AND ts_open >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC')
  AND ts_open < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
ORDER BY market_id, symbol, ts_open, ingested_at
SETTINGS output_format_arrow_compression_method = 'none';

-- name: read_span_as_of
SELECT toUnixTimestamp64Milli(min(ts_open)) AS first_ms, toUnixTimestamp64Milli(max(ts_open)) AS last_ms,
       count() AS found
FROM {raw_table:Identifier}
WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String}
  AND ingested_at <= fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC');

-- name: first_version
SELECT toUnixTimestamp64Milli(min(ingested_at)) AS first_ms, count() AS found
FROM {raw_table:Identifier}
WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String};

-- name: read_revisions
-- All versions of the minutes that have several values. Most minutes have one row, and are left out by that alone.
-- A repaired row may stand there twice with one version.
SELECT ts_open_ms, version, open, high, low, close, volume, quote_volume, trades, source, ingested_at_ms
FROM (
    SELECT toUnixTimestamp64Milli(ts_open) AS ts_open_ms, open, high, low, close, volume, quote_volume, trades,
           toString(source) AS source, toUnixTimestamp64Milli(ingested_at) AS ingested_at_ms,
           row_number() OVER (PARTITION BY ts_open ORDER BY ingested_at) AS version
    FROM (
        SELECT *
        FROM {raw_table:Identifier}
        WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String}
          AND ts_open IN (
              SELECT ts_open
              FROM {raw_table:Identifier}
              WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String}
                AND ts_open IN (
                    SELECT ts_open
                    FROM {raw_table:Identifier}
                    WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String}
                      AND ts_open >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC')
                      AND ts_open < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
                    GROUP BY ts_open
                    HAVING count() > 1
                )
              GROUP BY ts_open
              HAVING uniqExact(open, high, low, close, volume) > 1 OR uniqExact(quote_volume) > 1
                  OR uniqExact(trades) > 1
          )
        LIMIT 1 BY ts_open, ingested_at
    )
)
WHERE (ts_open_ms, ingested_at_ms) > ({after_ts_ms:Int64}, {after_version_ms:Int64})
ORDER BY ts_open_ms, ingested_at_ms
LIMIT {limit:UInt32};

-- name: raw_instruments
SELECT DISTINCT market_id, symbol FROM {raw_table:Identifier} ORDER BY market_id, symbol;

-- name: raw_months
-- Rows are never changed in place: which there are, their minutes and versions tell.
SELECT toYYYYMM(ts_open) AS month, count() AS n, sum(cityHash64(ts_open, ingested_at)) AS digest
FROM {raw_table:Identifier}
WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String}
GROUP BY month
ORDER BY month;

-- name: raw_rows
SELECT *
FROM {raw_table:Identifier}
WHERE market_id = {market_id:UInt8} AND symbol = {symbol:String} AND toYYYYMM(ts_open) = {month:UInt32}
ORDER BY ts_open, ingested_at
SETTINGS output_format_arrow_compression_method = 'none';

-- name: whole_table
SELECT * FROM {table:Identifier} FINAL;

-- name: count_table
SELECT count() AS n FROM {table:Identifier};
