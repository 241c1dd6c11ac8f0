-- An event that waits in place of others: so many were left out up to it, because too many waited.
ALTER TABLE notification_outbox ADD COLUMN left_out bigint NOT NULL DEFAULT 0 CHECK (left_out >= 0);
