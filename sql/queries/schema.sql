-- name: create_versions
CREATE TABLE schema_version (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    flavour    text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: has_versions
SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'schema_version' AND pg_table_is_visible(oid));

-- name: current
SELECT flavour, number FROM schema_version ORDER BY number DESC LIMIT 1;

-- name: applied
SELECT number, name, checksum FROM schema_version ORDER BY number;

-- name: record
INSERT INTO schema_version (number, name, checksum, flavour) VALUES (%s, %s, %s, %s);

-- name: timescale
SELECT extversion, current_setting('timescaledb.license', true) FROM pg_extension WHERE extname = 'timescaledb';
