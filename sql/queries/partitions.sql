-- Day partitions of history on plain PostgreSQL.

-- name: existing
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass;

-- name: create
-- Made apart, filled without an index, and attached when full. The constraint saves attaching another look at
-- every row.
CREATE TABLE {partition} (
    LIKE {history} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    CONSTRAINT {bounds} CHECK (ts >= {start} AND ts < {end})
);

-- name: index
ALTER TABLE {partition} ADD PRIMARY KEY ({device}, ts);

-- name: attach
ALTER TABLE {history} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end});

-- name: drop_bounds
-- From here on the partition's own bounds say the same.
ALTER TABLE {partition} DROP CONSTRAINT {bounds};
