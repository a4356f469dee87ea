-- The ledger for display.

-- name: newest
SELECT count(*) OVER () AS total, load_id, source, sha256, bytes, format, status, started_at, finished_at, counts,
       options, error, version
FROM load
ORDER BY load_id DESC
LIMIT %(limit)s::bigint;

-- name: one
SELECT load_id, source, sha256, bytes, format, status, started_at, finished_at, counts, options, error, version
FROM load
WHERE load_id = %(load_id)s;

-- name: rejects_by_rule
SELECT stream, rule, count(*), count(*) FILTER (WHERE is_open)
FROM reject
WHERE load_id = %(load_id)s
GROUP BY stream, rule
ORDER BY count(*) DESC, stream, rule;

-- name: first_rejects
SELECT stream, row_number, rule, detail, raw, resolved_by
FROM reject
WHERE load_id = %(load_id)s
ORDER BY row_number, stream, rule
LIMIT %(limit)s::bigint;
