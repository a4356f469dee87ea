-- Rejects that are still to be acted on.

-- name: matching
-- What a user asked for. r is a reject, l its load.
r.is_open
  AND (%(load_id)s::integer IS NULL OR r.load_id = %(load_id)s)
  AND (%(rule)s::text IS NULL OR r.rule LIKE %(rule)s)
  AND (%(file)s::text IS NULL OR l.source LIKE %(file)s OR regexp_replace(l.source, '^.*/', '') LIKE %(file)s)
  AND (%(stream)s::text IS NULL OR coalesce(r.stream, 'unassigned') = %(stream)s)

-- name: has_load
SELECT 1 FROM load WHERE load_id = %s;

-- name: count
SELECT count(*) FROM reject r JOIN load l USING (load_id) WHERE {matching};

-- name: list
SELECT r.reject_id, r.load_id, l.source, r.row_number, r.stream, r.rule, r.detail, r.raw
FROM reject r JOIN load l USING (load_id)
WHERE {matching}
ORDER BY r.load_id DESC, r.row_number, r.stream, r.reject_id
LIMIT %(limit)s::bigint;

-- name: by_load
SELECT r.load_id, l.source, count(*), count(DISTINCT r.rule)
FROM reject r JOIN load l USING (load_id)
WHERE {matching}
GROUP BY r.load_id, l.source
ORDER BY count(*) DESC, r.load_id DESC
LIMIT %(limit)s::bigint;

-- name: by_rule
SELECT r.stream, r.rule, count(*), count(DISTINCT r.load_id), min(r.detail)
FROM reject r JOIN load l USING (load_id)
WHERE {matching}
GROUP BY r.stream, r.rule
ORDER BY count(*) DESC, r.rule, r.stream
LIMIT %(limit)s::bigint;

-- name: by_file
SELECT l.source, count(*), count(DISTINCT r.rule), count(DISTINCT r.load_id)
FROM reject r JOIN load l USING (load_id)
WHERE {matching}
GROUP BY l.source
ORDER BY count(*) DESC, l.source
LIMIT %(limit)s::bigint;

-- name: fields
SELECT DISTINCT jsonb_object_keys(raw)
FROM (SELECT r.raw FROM reject r JOIN load l USING (load_id) WHERE {matching}) matching;

-- name: export
SELECT r.reject_id, r.load_id, l.source, r.row_number, r.stream, r.rule, r.detail,
       (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each_text(r.raw))
FROM reject r JOIN load l USING (load_id)
WHERE {matching}
ORDER BY r.load_id DESC, r.row_number, r.stream, r.reject_id
LIMIT %(limit)s::bigint;
