-- The least worth of an order, in the quote asset.
ALTER TABLE ref_instruments ADD COLUMN IF NOT EXISTS min_notional Nullable(Float64) AFTER quantity_step;
