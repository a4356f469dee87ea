-- History on TimescaleDB's Apache edition: hypertables with 1-day chunks; the key keeps readings unique.

CREATE TABLE meter_history (
    meter_id        text COLLATE "C" NOT NULL,
    ts              timestamptz      NOT NULL,
    kwh_consumed_ac double precision NOT NULL,
    voltage         double precision,
    register_kwh    double precision,
    load_id         integer          NOT NULL,
    PRIMARY KEY (meter_id, ts)
);
SELECT create_hypertable('meter_history', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);

CREATE TABLE vehicle_history (
    vehicle_id       text COLLATE "C" NOT NULL,
    ts               timestamptz      NOT NULL,
    soc              double precision,
    kwh_delivered_dc double precision NOT NULL,
    battery_temp     double precision,
    register_kwh     double precision,
    load_id          integer          NOT NULL,
    PRIMARY KEY (vehicle_id, ts)
);
SELECT create_hypertable('vehicle_history', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
