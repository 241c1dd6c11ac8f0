-- A run tells its signals, or trades on paper too; that is fixed when it is created.
ALTER TABLE runs ADD COLUMN mode text NOT NULL DEFAULT 'signals' CHECK (mode IN ('signals', 'paper'));

CREATE INDEX runs_on_paper ON runs (run_id) WHERE mode = 'paper';

-- The books of the paper exchange: a line for each order that it has taken, with the account after it. A session of a
-- run has an account of its own.
CREATE TABLE paper_ledger (
    run_id           uuid     NOT NULL,
    session          integer  NOT NULL,
    number           integer  NOT NULL CHECK (number > 0),
    client_order_id  text     NOT NULL UNIQUE,
    symbol           text     NOT NULL,
    side             text     NOT NULL CHECK (side IN ('buy', 'sell')),
    asked            numeric  NOT NULL CHECK (asked > 0),
    filled           numeric  NOT NULL CHECK (filled > 0 AND filled <= asked),
    price            numeric  NOT NULL CHECK (price > 0),
    fee              numeric  NOT NULL,
    at_ms            bigint   NOT NULL,
    position         numeric  NOT NULL,
    entry_price      numeric  NOT NULL,
    balance          numeric  NOT NULL,
    PRIMARY KEY (run_id, session, number),
    FOREIGN KEY (run_id, session) REFERENCES run_sessions (run_id, session)
);

CREATE TRIGGER paper_ledger_never_changes BEFORE UPDATE OR DELETE ON paper_ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_what_happened();
