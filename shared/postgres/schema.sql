-- The ledger. `PostgresStore::create_schema` runs this file, with the name of its table.
--
-- Columns and status words are those of Powertools for AWS Lambda, as in DynamoDB.

CREATE TABLE IF NOT EXISTS "ledger" (
    -- namespace#key, compared byte by byte: no locale counts.
    id text COLLATE "C" PRIMARY KEY,
    -- INPROGRESS, COMPLETED or REJECTED.
    status text NOT NULL,
    -- Owner token of the attempt that wrote the record.
    owner text,
    -- End of the lease, in milliseconds since 1970.
    in_progress_expiration bigint,
    -- When the record expires, in seconds since 1970.
    expiration bigint NOT NULL,
    -- Fingerprint of the payload.
    validation text,
    -- The result, as JSON. Text, because jsonb refuses \u0000 and does not keep numbers and names as they were written.
    data text,
    -- Messages to send, as JSON.
    outgoing text,
    -- Why the work was rejected.
    reason text
)
-- A record changes once or twice. Free space lets the new version stay on its page, without an entry in an index.
WITH (fillfactor = 80);

-- For sweeping.
CREATE INDEX IF NOT EXISTS "ledger_expiration" ON "ledger" (expiration);
