-- The tables of place-order in PostgreSQL. The table of the ledger is in shared/postgres/schema.sql.

CREATE TABLE IF NOT EXISTS orders (
    id text PRIMARY KEY,
    customer text NOT NULL,
    items jsonb NOT NULL,
    -- In minor units (cents), as all money here.
    amount bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS customers (
    id text PRIMARY KEY,
    -- The sum of the customer's orders. It has more digits than an amount: a sum may exceed 64 bits.
    total numeric NOT NULL
);
