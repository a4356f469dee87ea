-- History on TimescaleDB community: hypertables with 1-day chunks and the columnstore.
--
-- No unique constraint: any would switch direct compress off. The load protocol keeps (device, ts) unique.
-- The plain index serves rows that are not compressed yet; the columnstore makes its own by segment.

CREATE TABLE meter_history (
    meter_id        text COLLATE "C" NOT NULL,
    ts              timestamptz      NOT NULL,
    kwh_consumed_ac double precision NOT NULL,
    voltage         double precision,
    register_kwh    double precision,
    load_id         integer          NOT NULL
);
SELECT create_hypertable('meter_history', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
ALTER TABLE meter_history SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'meter_id',
    timescaledb.orderby = 'ts'
);
CREATE INDEX meter_history_device ON meter_history (meter_id, ts);

CREATE TABLE vehicle_history (
    vehicle_id       text COLLATE "C" NOT NULL,
    ts               timestamptz      NOT NULL,
    soc              double precision,
    kwh_delivered_dc double precision NOT NULL,
    battery_temp     double precision,
    register_kwh     double precision,
    load_id          integer          NOT NULL
);
SELECT create_hypertable('vehicle_history', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
ALTER TABLE vehicle_history SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'vehicle_id',
    timescaledb.orderby = 'ts'
);
CREATE INDEX vehicle_history_device ON vehicle_history (vehicle_id, ts);

-- Late readings are stored as rows; the policy folds them into the columnstore once a chunk has settled.
CALL add_columnstore_policy('meter_history', after => INTERVAL '7 days');
CALL add_columnstore_policy('vehicle_history', after => INTERVAL '7 days');
