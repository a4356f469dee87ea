-- name: can_compress
-- TimescaleDB's COPY straight into the columnstore is there since 2.21.
SELECT current_setting('timescaledb.enable_direct_compress_copy', true) IS NOT NULL;

-- name: set
SELECT set_config(%s, %s, true);

-- name: roomy_allocator
-- A server on glibc gives memory back to the system with every segment that it compresses, and faults it in
-- again: half a second for 10,000 of them. Having freed one large block, it keeps what it may need.
SELECT octet_length(repeat(repeat(' ', 65536), 128));
