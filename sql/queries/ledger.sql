-- name: find_loaded
SELECT load_id, finished_at FROM load WHERE sha256 = %s AND status = 'loaded';

-- name: claim
-- First statement of the load's transaction: the unique index makes a second loader of the same bytes wait.
INSERT INTO load (source, sha256, bytes, format, status, options, version)
VALUES (%(source)s, %(sha256)s, %(bytes)s, %(format)s, 'loading', %(options)s, %(version)s)
ON CONFLICT (sha256) WHERE status IN ('loading', 'loaded') DO NOTHING
RETURNING load_id;

-- name: finish
UPDATE load SET status = 'loaded', finished_at = clock_timestamp(), counts = %(counts)s WHERE load_id = %(load_id)s;

-- name: record_failure
INSERT INTO load (source, sha256, bytes, format, status, started_at, finished_at, counts, options, error, version)
VALUES (%(source)s, %(sha256)s, %(bytes)s, %(format)s, 'failed', %(started_at)s, clock_timestamp(), %(counts)s,
        %(options)s, %(error)s, %(version)s);

-- name: create_dry_reject
CREATE TEMPORARY TABLE {reject} ON COMMIT DROP AS
SELECT load_id, stream, row_number, rule, detail, raw FROM reject WITH NO DATA;

-- name: copy_rejects
COPY {reject} (load_id, row_number, stream, rule, detail, raw) FROM STDIN (FORMAT csv);

-- name: count_rejects
SELECT coalesce(stream, ''), rule, count(*) FROM {reject} WHERE load_id = %s GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2;

-- name: export_rejects
COPY (SELECT row_number, stream, rule, detail, raw FROM {reject} WHERE load_id = {load_id} ORDER BY row_number, stream)
TO STDOUT (FORMAT csv);
