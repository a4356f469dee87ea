-- The load's side of history. Braces are filled in by stream:
--   {history}  written to                        {device}    the column that names the device
--   {stored}   compared with                     {columns}   device, ts and the measures
--   {late}     readings that may exist already   {ranges}    spans of readings per device, with a checksum
-- {history} and {stored} are the same table, but in a dry run, which writes nothing permanent.

-- name: lock_stream
SELECT pg_advisory_xact_lock(%s);

-- name: lock_holder
SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'this machine'), a.xact_start
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
  AND (l.classid::bigint << 32) | l.objid::bigint = %s;

-- name: lock_capacity
SELECT current_setting('max_locks_per_transaction')::int
     * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int);

-- name: hold_readers
LOCK TABLE ONLY {history} IN ACCESS EXCLUSIVE MODE;

-- name: watermarks
SELECT {device}, first_ts, ts FROM {live};

-- name: create_dry_history
CREATE TEMPORARY TABLE {history} ON COMMIT DROP AS
SELECT {columns}, load_id FROM {permanent} WITH NO DATA;

-- name: create_dry_stored
CREATE TEMPORARY VIEW {stored} AS
SELECT {columns}, load_id FROM {permanent} UNION ALL SELECT {columns}, load_id FROM {history};

-- name: copy_history
COPY {table} ({columns}, load_id) FROM STDIN (FORMAT binary);
