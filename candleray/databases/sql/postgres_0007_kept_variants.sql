-- How many variants the checkpoint covers: an attempt that adds none to them is fruitless.
ALTER TABLE jobs ADD COLUMN variants_kept bigint NOT NULL DEFAULT 0;
