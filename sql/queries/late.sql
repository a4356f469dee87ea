-- Readings that history may have already. Braces as in history.sql.

-- name: create
CREATE TEMPORARY TABLE {late} ON COMMIT DROP AS
SELECT load_id, 0::bigint AS row_number, {reported} FROM {stored} WITH NO DATA;

-- name: copy
COPY {late} (load_id, row_number, {reported}) FROM STDIN (FORMAT binary);

-- name: analyze
ANALYZE {late};

-- name: compare
-- Per load, how many late readings history has with the same values, and how many it does not have.
SELECT l.load_id, count(*) FILTER (WHERE h.{device} IS NOT NULL AND {same}),
       count(*) FILTER (WHERE h.{device} IS NULL)
FROM {late} l LEFT JOIN {stored} h
  ON h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s
GROUP BY l.load_id;

-- name: insert
-- The first of each new (device, ts) into history, or aside where its energy is yet to be derived; its
-- repetitions are compared with it afterwards.
WITH inserted AS (
    INSERT INTO {arrived} ({reported}, load_id)
    SELECT DISTINCT ON (l.{device}, l.ts) {late_columns}, l.load_id
    FROM {late} l
    WHERE NOT EXISTS (
        SELECT FROM {stored} h
        WHERE h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s
    )
    ORDER BY l.{device}, l.ts, l.load_id, l.row_number
    RETURNING load_id
)
SELECT load_id, count(*) FROM inserted GROUP BY load_id;

-- name: report_conflicts
-- Late readings whose values differ from the stored ones become rejects that tell both.
WITH reported AS (
    INSERT INTO {reject} (load_id, stream, row_number, rule, detail, raw)
    SELECT l.load_id, %(stream)s, l.row_number, 'reading:conflicting',
           concat_ws(', ', {stored_by} || ' stored other values, which were kept', {stored_values}),
           to_jsonb(l) - 'load_id' - 'row_number'
    FROM {late} l JOIN {stored} h
      ON h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s
    WHERE NOT ({same})
    RETURNING load_id
)
SELECT load_id, count(*) FROM reported GROUP BY load_id;

-- name: report_restated
-- As report_conflicts where the last reading wins: each differs from the one before it, stored or loaded now.
WITH reported AS (
    INSERT INTO {reject} (load_id, stream, row_number, rule, detail, raw)
    SELECT load_id, %(stream)s, row_number, 'reading:restated',
           concat_ws(', ', stored_by || ' stored other values, which were replaced', stored_values),
           raw
    FROM (
        SELECT l.load_id, l.row_number, {stored_by} AS stored_by, concat_ws(', ', {stored_values}) AS stored_values,
               to_jsonb(l) - 'load_id' - 'row_number' AS raw,
               CASE WHEN lag(l.row_number) OVER reading IS NULL THEN {same} ELSE {same_as_previous} END AS same
        FROM {late} l JOIN {stored} h
          ON h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s
        WINDOW reading AS (PARTITION BY l.{device}, l.ts ORDER BY l.load_id, l.row_number)
    ) compared
    WHERE NOT same
    RETURNING load_id
)
SELECT load_id, count(*) FROM reported GROUP BY load_id;

-- name: restate
WITH restated AS (
    UPDATE {history} h SET {assignments}, load_id = l.load_id
    FROM (SELECT DISTINCT ON ({device}, ts) * FROM {late} ORDER BY {device}, ts, load_id DESC, row_number DESC) l
    WHERE h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s AND NOT ({same})
    RETURNING l.load_id
)
SELECT load_id, count(*) FROM restated GROUP BY load_id;

-- name: count_restated
-- What restate would do, in a dry run.
SELECT l.load_id, count(*)
FROM (SELECT DISTINCT ON ({device}, ts) * FROM {late} ORDER BY {device}, ts, load_id DESC, row_number DESC) l
JOIN {stored} h ON h.{device} = l.{device} AND h.ts = l.ts AND h.ts BETWEEN %(oldest)s AND %(newest)s
WHERE NOT ({same})
GROUP BY l.load_id;
