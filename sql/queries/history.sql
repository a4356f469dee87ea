-- The load's side of history. Braces are filled in by stream:
--   {history}  written to                        {device}    the column that names the device
--   {stored}   compared with                     {columns}   device, ts and the measures
--   {late}     readings that may exist already   {measures}  the measured columns
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

-- name: watermarks
SELECT {device}, first_ts, ts FROM {live};

-- name: create_late
CREATE TEMPORARY TABLE {late} ON COMMIT DROP AS
SELECT 0::bigint AS row_number, {columns} FROM {stored} WITH NO DATA;

-- name: create_dry_history
CREATE TEMPORARY TABLE {history} ON COMMIT DROP AS
SELECT {columns}, load_id FROM {permanent} WITH NO DATA;

-- name: create_dry_stored
CREATE TEMPORARY VIEW {stored} AS
SELECT {columns}, load_id FROM {permanent} UNION ALL SELECT {columns}, load_id FROM {history};

-- name: copy_history
COPY {history} ({columns}, load_id) FROM STDIN (FORMAT binary);

-- name: copy_late
COPY {late} (row_number, {columns}) FROM STDIN (FORMAT binary);

-- name: analyze_late
ANALYZE {late};

-- name: clear_late
TRUNCATE {late};

-- name: compare_late
-- How many late readings history does not have, and how many it has with the same values.
SELECT count(*) FILTER (WHERE h.{device} IS NULL),
       count(*) FILTER (WHERE h.{device} IS NOT NULL AND {same})
FROM {late} l LEFT JOIN {stored} h
  ON h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s;

-- name: insert_late
-- The first of each new (device, ts); repetitions within the batch are compared with it afterwards.
INSERT INTO {history} ({columns}, load_id)
SELECT DISTINCT ON (l.{device}, l.ts) {late_columns}, %(load_id)s
FROM {late} l
WHERE NOT EXISTS (
    SELECT FROM {stored} h
    WHERE h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s
)
ORDER BY l.{device}, l.ts, l.row_number;

-- name: report_conflicts
-- Late readings whose values differ from the stored ones become rejects that tell both.
INSERT INTO {reject} (load_id, stream, row_number, rule, detail, raw)
SELECT %(load_id)s, %(stream)s, l.row_number, 'reading:conflicting',
       concat_ws(', ', 'load ' || h.load_id || ' stored other values, which were kept', {stored_values}),
       to_jsonb(l) - 'row_number'
FROM {late} l JOIN {stored} h
  ON h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s
WHERE NOT ({same});

-- name: report_restated
-- As report_conflicts where the last reading wins: each differs from the one before it, stored or in the file.
INSERT INTO {reject} (load_id, stream, row_number, rule, detail, raw)
SELECT %(load_id)s, %(stream)s, row_number, 'reading:restated',
       concat_ws(', ', 'load ' || stored_by || ' stored other values, which were replaced', stored_values),
       raw
FROM (
    SELECT l.row_number, h.load_id AS stored_by, concat_ws(', ', {stored_values}) AS stored_values,
           to_jsonb(l) - 'row_number' AS raw,
           CASE WHEN lag(l.row_number) OVER reading IS NULL THEN {same} ELSE {same_as_previous} END AS same
    FROM {late} l JOIN {stored} h
      ON h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s
    WINDOW reading AS (PARTITION BY l.{device}, l.ts ORDER BY l.row_number)
) compared
WHERE NOT same;

-- name: restate
UPDATE {history} h SET {assignments}, load_id = %(load_id)s
FROM (SELECT DISTINCT ON ({device}, ts) * FROM {late} ORDER BY {device}, ts, row_number DESC) l
WHERE h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s AND NOT ({same});
