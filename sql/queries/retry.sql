-- Rejects on their way through another load. Temporary tables, in its transaction: repaired holds the rows of
-- a file, if one is given, and retried what is judged again, in the order of loads and rows.

-- name: create
CREATE TEMPORARY TABLE repaired (
    line       bigint  NOT NULL,
    reject_id  bigint  NOT NULL,
    load_id    integer NOT NULL,
    row_number bigint  NOT NULL,
    raw        jsonb   NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE retried (
    number     bigint  PRIMARY KEY,
    reject_id  bigint  NOT NULL,
    load_id    integer NOT NULL,
    row_number bigint  NOT NULL,
    stream     text,
    rule       text    NOT NULL,
    raw        jsonb   NOT NULL
) ON COMMIT DROP;

-- name: copy_repaired
COPY repaired (line, reject_id, load_id, row_number, raw) FROM STDIN;

-- name: repeated
SELECT min(line), max(line) FROM repaired GROUP BY reject_id HAVING count(*) > 1 ORDER BY 1 LIMIT 1;

-- name: unknown
SELECT p.line, p.load_id, p.row_number
FROM repaired p LEFT JOIN reject r USING (reject_id, load_id, row_number)
WHERE r.reject_id IS NULL
ORDER BY p.line
LIMIT 1;

-- name: closed
SELECT count(*) FROM repaired p JOIN reject r USING (reject_id) WHERE NOT r.is_open;

-- name: pick
-- Not what could not be read as a row, as long as there is only the line; and a conflicting reading only if it
-- is to replace the stored one, or was changed.
WITH picked AS (
    SELECT r.reject_id, r.load_id, r.row_number, r.stream, r.rule, coalesce(p.raw, r.raw) AS raw
    FROM reject r JOIN load l USING (load_id) LEFT JOIN repaired p USING (reject_id)
    WHERE {matching}
      AND (p.reject_id IS NOT NULL OR NOT %(from_file)s)
      AND coalesce(p.raw, r.raw) - 'line' <> '{{}}'
      AND (
        %(replace)s OR r.rule <> 'reading:conflicting' OR p.raw <> (
            SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each_text(r.raw) WHERE value <> ''
        )
      )
    ORDER BY r.load_id, r.row_number, r.reject_id
    FOR UPDATE OF r
)
INSERT INTO retried (number, reject_id, load_id, row_number, stream, rule, raw)
SELECT row_number() OVER (ORDER BY load_id, row_number, reject_id), reject_id, load_id, row_number, stream, rule, raw
FROM picked;

-- name: left_out
SELECT count(*) FILTER (WHERE r.raw - 'line' = '{{}}'), count(*) FILTER (WHERE r.rule = 'reading:conflicting')
FROM reject r JOIN load l USING (load_id)
WHERE {matching}
  AND (NOT %(from_file)s OR r.reject_id IN (SELECT reject_id FROM repaired))
  AND r.reject_id NOT IN (SELECT reject_id FROM retried);

-- name: loads
-- Whose rows they are, how those were loaded, and which kinds of rejects are among them.
SELECT l.load_id, l.source, l.options, bool_or(t.rule = 'reading:conflicting'), bool_or(t.rule <> 'reading:conflicting')
FROM retried t JOIN load l USING (load_id)
GROUP BY l.load_id, l.source, l.options
ORDER BY l.load_id;

-- name: fields
SELECT DISTINCT jsonb_object_keys(raw) FROM retried;

-- name: spool
-- Per stream, so that a row is judged as what it was taken for; reject_id makes the content that of these rejects.
COPY (SELECT number, reject_id, stream, {fields} FROM retried ORDER BY stream, number) TO STDOUT (FORMAT csv);

-- name: resolve
UPDATE reject r SET resolved_by = %(load_id)s
FROM retried t
WHERE r.reject_id = t.reject_id AND NOT EXISTS (
    SELECT FROM reject again
    WHERE again.load_id = %(load_id)s AND again.row_number = t.number AND again.rule <> 'reading:restated'
);

-- name: link
UPDATE reject again SET retry_of = t.reject_id, row_number = t.row_number
FROM retried t
WHERE again.load_id = %(load_id)s AND again.row_number = t.number;
