-- What devices report as energy, and the state from which it is derived. Braces as in history.sql; {raw} is
-- the column that keeps what was reported, {energy} the interval energy derived from it.

-- name: remembered
SELECT device_id, kind, max_kw, dial_kwh, max_gap_s FROM device_energy WHERE stream = %(stream)s;

-- name: remember
INSERT INTO device_energy AS known (stream, device_id, kind, max_kw, dial_kwh, max_gap_s, load_id)
VALUES (%(stream)s, %(device)s, %(kind)s, %(max_kw)s, %(dial_kwh)s, %(max_gap_s)s, %(load_id)s)
ON CONFLICT (stream, device_id) DO UPDATE
SET kind = EXCLUDED.kind, max_kw = EXCLUDED.max_kw, dial_kwh = EXCLUDED.dial_kwh,
    max_gap_s = EXCLUDED.max_gap_s, load_id = EXCLUDED.load_id;

-- name: forget
DELETE FROM device_energy WHERE stream = %(stream)s AND device_id = ANY(%(devices)s);

-- name: newest
-- The newest reading of each device that is derived.
SELECT {device}, {raw}, ts, coalesce(quality, 0) FROM {live} WHERE {raw} IS NOT NULL;

-- name: tails
-- Of devices whose newest reading is held: the last believed reading and all since.
SELECT h.{device}, h.{raw}, h.ts
FROM unnest(%(devices)s::text[]) AS held(device)
CROSS JOIN LATERAL (
    SELECT b.ts FROM {permanent} b
    WHERE b.{device} = held.device AND b.{raw} IS NOT NULL AND coalesce(b.quality, 0) & %(held)s = 0
    ORDER BY b.ts DESC LIMIT 1
) believed
JOIN {permanent} h ON h.{device} = held.device AND h.ts >= believed.ts AND h.{raw} IS NOT NULL
ORDER BY h.{device}, h.ts;

-- name: create_fresh
CREATE TEMPORARY TABLE {fresh} ON COMMIT DROP AS SELECT {reported}, load_id FROM {stored} WITH NO DATA;

-- name: clear_fresh
TRUNCATE {fresh};

-- name: analyze_fresh
ANALYZE {fresh};

-- name: touched_by_fresh
SELECT {device}, min(ts), max(ts), count(*) FROM {fresh} GROUP BY {device} ORDER BY {device};

-- name: touched_by_late
SELECT {device}, min(ts), max(ts), count(*) FROM {late} GROUP BY {device} ORDER BY {device};

-- name: window
-- Around what is touched, all that may have to be derived anew: from the last believed reading before it, up
-- to the so many-th believed one after it.
COPY (
    SELECT t.device, (extract(epoch FROM h.ts) * 1000000)::bigint AS ts, h.{raw} AS raw, h.{energy} AS kwh,
           coalesce(h.quality, 0) AS quality, false AS fresh
    FROM unnest(%(devices)s::text[], %(first)s::timestamptz[], %(last)s::timestamptz[])
         AS t(device, first_ts, last_ts)
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT b.ts FROM {stored} b
            WHERE b.{device} = t.device AND b.ts < t.first_ts AND b.{raw} IS NOT NULL
              AND coalesce(b.quality, 0) & %(held)s = 0
            ORDER BY b.ts DESC LIMIT 1
        ), '-infinity') AS begin_ts, coalesce((
            SELECT e.ts FROM {stored} e
            WHERE e.{device} = t.device AND e.ts > t.last_ts AND e.{raw} IS NOT NULL
              AND coalesce(e.quality, 0) & %(held)s = 0
            ORDER BY e.ts OFFSET %(further)s LIMIT 1
        ), 'infinity') AS end_ts
    ) span
    JOIN {stored} h ON h.{device} = t.device AND h.ts BETWEEN span.begin_ts AND span.end_ts
                   AND h.{raw} IS NOT NULL
    UNION ALL
    SELECT f.{device}, (extract(epoch FROM f.ts) * 1000000)::bigint, f.{raw}, 0, 0, true
    FROM {fresh} f WHERE f.{device} = ANY(%(devices)s)
) TO STDOUT (FORMAT csv);

-- name: create_derived
CREATE TEMPORARY TABLE {derived} (
    {device} text COLLATE "C" NOT NULL, ts timestamptz NOT NULL, {energy} double precision NOT NULL, quality integer
) ON COMMIT DROP;

-- name: copy_derived
COPY {derived} ({device}, ts, {energy}, quality) FROM STDIN (FORMAT binary);

-- name: insert_fresh
WITH inserted AS (
    INSERT INTO {history} ({reported}, {energy}, quality, load_id)
    SELECT {fresh_columns}, d.{energy}, d.quality, f.load_id
    FROM {fresh} f JOIN {derived} d ON d.{device} = f.{device} AND d.ts = f.ts
    ORDER BY f.{device}, f.ts
    RETURNING load_id
)
SELECT load_id, count(*) FROM inserted GROUP BY load_id;

-- name: change
-- One reading at a time: with constants, the columnstore opens no more than the one segment it is in.
UPDATE {history} SET {energy} = %(kwh)s, quality = %(quality)s WHERE {device} = %(device)s AND ts = %(ts)s;
