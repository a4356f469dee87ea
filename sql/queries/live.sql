-- The live tables: the newest reading of each device. Braces as in history.sql; {newest} is a temporary table.

-- name: create_newest
CREATE TEMPORARY TABLE {newest} ON COMMIT DROP AS SELECT {columns}, load_id, first_ts FROM {live} WITH NO DATA;

-- name: copy_newest
COPY {newest} ({columns}, load_id, first_ts) FROM STDIN (FORMAT binary);

-- name: advance
-- Only forward in time; sorted, so that two loaders take the rows' locks in the same order.
INSERT INTO {live} AS live ({columns}, load_id, first_ts)
SELECT {columns}, load_id, first_ts FROM {newest} ORDER BY {device}
ON CONFLICT ({device}) DO UPDATE
SET ts = EXCLUDED.ts, {excluded_assignments}, load_id = EXCLUDED.load_id,
    first_ts = LEAST(live.first_ts, EXCLUDED.first_ts)
WHERE EXCLUDED.ts > live.ts;

-- name: extend_back
UPDATE {live} live SET first_ts = newest.first_ts
FROM {newest} newest
WHERE live.{device} = newest.{device} AND newest.first_ts < live.first_ts;

-- name: restate
-- A reading that is its device's newest and was restated or derived anew.
UPDATE {live} l SET {restated_assignments}, load_id = h.load_id
FROM {history} h
WHERE l.{device} IN (SELECT {device} FROM {late}) AND h.{device} = l.{device} AND h.ts = l.ts AND NOT ({same_as_shown});
