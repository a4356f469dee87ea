-- History on plain PostgreSQL: a partition per UTC day, made on demand; the key keeps readings unique.

CREATE TABLE meter_history (
    meter_id        text COLLATE "C" NOT NULL,
    ts              timestamptz      NOT NULL,
    kwh_consumed_ac double precision NOT NULL,
    voltage         double precision,
    register_kwh    double precision,
    load_id         integer          NOT NULL,
    PRIMARY KEY (meter_id, ts)
) PARTITION BY RANGE (ts);

CREATE TABLE vehicle_history (
    vehicle_id       text COLLATE "C" NOT NULL,
    ts               timestamptz      NOT NULL,
    soc              double precision,
    kwh_delivered_dc double precision NOT NULL,
    battery_temp     double precision,
    register_kwh     double precision,
    load_id          integer          NOT NULL,
    PRIMARY KEY (vehicle_id, ts)
) PARTITION BY RANGE (ts);
