-- Day partitions of history on plain PostgreSQL.

-- name: existing
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass;

-- name: create
-- Made apart and then attached: attaching lets readers and writers of the other days go on.
CREATE TABLE {partition} (LIKE {history} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);

-- name: attach
ALTER TABLE {history} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end});
