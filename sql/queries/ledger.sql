-- name: find_loaded
SELECT load_id, finished_at FROM load WHERE sha256 = %s AND status = 'loaded';

-- name: claim
-- First statement of the load's transaction: the unique index makes a second loader of the same bytes wait.
INSERT INTO load (source, sha256, bytes, format, status, options, version)
VALUES (%(source)s, %(sha256)s, %(bytes)s, %(format)s, 'loading', %(options)s, %(version)s)
ON CONFLICT (sha256) WHERE status IN ('loading', 'loaded') DO NOTHING
RETURNING load_id;

-- name: finish
UPDATE load SET status = 'loaded', finished_at = clock_timestamp(), counts = %(counts)s, options = options || %(options)s
WHERE load_id = %(load_id)s;

-- name: release
DELETE FROM load WHERE load_id = %s;

-- name: record_failure
-- Once, however often its load is tried again.
INSERT INTO load (source, sha256, bytes, format, status, started_at, finished_at, counts, options, error, version)
SELECT %(source)s, %(sha256)s, %(bytes)s, %(format)s, 'failed', %(started_at)s, clock_timestamp(), %(counts)s,
       %(options)s, %(error)s, %(version)s
WHERE NOT EXISTS (
    SELECT FROM load
    WHERE status = 'failed' AND source = %(source)s AND sha256 = %(sha256)s AND started_at = %(started_at)s
);
