-- Rows of dumps that are not in history. {reject} is a temporary table in a dry run.

-- name: create_dry
CREATE TEMPORARY TABLE {reject} ON COMMIT DROP AS
SELECT load_id, stream, row_number, rule, detail, raw FROM reject WITH NO DATA;

-- name: copy
COPY {reject} (load_id, row_number, stream, rule, detail, raw) FROM STDIN (FORMAT csv);

-- name: count
SELECT coalesce(stream, ''), rule, count(*) FROM {reject} WHERE load_id = %s GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2;

-- name: export
COPY (SELECT row_number, stream, rule, detail, raw FROM {reject} WHERE load_id = {load_id} ORDER BY row_number, stream)
TO STDOUT (FORMAT csv);
