-- Spans of readings per device, known by their number and checksum. Braces as in history.sql.

-- name: create
CREATE TEMPORARY TABLE {ranges} (
    {device}  text COLLATE "C" NOT NULL,
    first_ts  timestamptz      NOT NULL,
    last_ts   timestamptz      NOT NULL,
    readings  bigint           NOT NULL,
    checksum  bigint           NOT NULL
) ON COMMIT DROP;

-- name: copy
COPY {ranges} ({device}, first_ts, last_ts, readings, checksum) FROM STDIN (FORMAT binary);

-- name: analyze
ANALYZE {ranges};

-- name: clear
TRUNCATE {ranges};

-- name: of_loads
-- What loads have stored so far, in one pass. Per device it would take twice as long, and say no more: the
-- device is part of the hash.
SELECT count(*), bit_xor({hash})
FROM {stored} h
WHERE h.load_id = ANY(%(load_ids)s) AND h.ts BETWEEN %(oldest)s AND %(newest)s;

-- name: matching
-- Devices of whose span history holds exactly these readings. Per device, so that its index or segment is used.
SELECT r.{device}
FROM {ranges} r
CROSS JOIN LATERAL (
    SELECT count(*) AS readings, bit_xor({hash}) AS checksum
    FROM {stored} h
    WHERE h.{device} = r.{device} AND h.ts BETWEEN r.first_ts AND r.last_ts
      AND h.ts BETWEEN %(oldest)s AND %(newest)s
) found
WHERE found.readings = r.readings AND found.checksum = r.checksum;
