-- Rejects to act on: each has a number of its own, and it is known which came in later after all.

ALTER TABLE reject
    ADD COLUMN reject_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD COLUMN resolved_by integer REFERENCES load ON DELETE SET NULL,
    ADD COLUMN retry_of    bigint REFERENCES reject ON DELETE CASCADE;
ALTER TABLE reject
    ADD COLUMN is_open boolean NOT NULL GENERATED ALWAYS AS (
        resolved_by IS NULL AND retry_of IS NULL AND rule <> 'reading:restated'
    ) STORED;
COMMENT ON COLUMN reject.resolved_by IS 'The retry that the row passed in; NULL while it did not.';
COMMENT ON COLUMN reject.retry_of IS 'In a retry: the reject whose row did not pass this time either. That one stays open.';
COMMENT ON COLUMN reject.is_open IS 'There is something to repair. A restated reading is in history, and kept here for what it replaced.';

-- For what a load's removal sets free; next to nothing as long as nothing is retried.
CREATE INDEX reject_resolved_by ON reject (resolved_by) WHERE resolved_by IS NOT NULL;
CREATE INDEX reject_retry_of ON reject (retry_of) WHERE retry_of IS NOT NULL;
