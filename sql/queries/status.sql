-- What is in the database, for `db status`. Sizes include indexes, TOAST and compressed data.

-- name: server
SELECT current_database(), current_setting('server_version'),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb');

-- name: tables
-- Ordinary and partitioned tables. A table never analysed has no row estimate; the live count stands in.
SELECT root.name,
       sum(pg_total_relation_size(part.relid))::bigint,
       CASE WHEN c.relkind = 'p' THEN count(*) FILTER (WHERE part.isleaf) END,
       sum(CASE WHEN NOT part.isleaf THEN 0
                WHEN leaf.reltuples >= 0 THEN leaf.reltuples::bigint
                ELSE pg_stat_get_live_tuples(part.relid) END)::bigint
FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS root (name, position)
JOIN pg_class c ON c.oid = root.name::regclass
CROSS JOIN LATERAL (
    SELECT relid, isleaf FROM pg_partition_tree(c.oid) WHERE c.relkind = 'p'
    UNION ALL
    SELECT c.oid, true WHERE c.relkind <> 'p'
) AS part
JOIN pg_class leaf ON leaf.oid = part.relid
GROUP BY root.name, root.position, c.relkind
ORDER BY root.position;

-- name: hypertables
SELECT root.name,
       coalesce(hypertable_size(root.name::regclass), 0),
       (SELECT count(*) FROM show_chunks(root.name::regclass)),
       greatest(approximate_row_count(root.name::regclass), 0)
FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS root (name, position)
ORDER BY root.position;

-- name: streams
SELECT 'meter', count(*), min(first_ts), max(ts) FROM meter_live
UNION ALL
SELECT 'vehicle', count(*), min(first_ts), max(ts) FROM vehicle_live;
