-- name: can_compress
-- TimescaleDB's COPY straight into the columnstore is there since 2.21.
SELECT current_setting('timescaledb.enable_direct_compress_copy', true) IS NOT NULL;

-- name: set
SELECT set_config(%s, %s, true);
